-- A page of the events that a subscription follows, in position order.
-- ?1 the position before the page       ?5 natural key, or NULL
-- ?2 the most events to return          ?6 partition
-- ?3 the most events to look at         ?7 number of partitions
-- ?4 types as JSON, [[aggregate, event or null], …], or NULL for all
--
-- The names are looked up each time: a type may have been stored just now, by another process.
WITH scanned AS MATERIALIZED (
    SELECT e.position, e.aggregate_id, e.event_type_id
    FROM events AS e
    WHERE e.position > ?1
    ORDER BY e.position
    LIMIT ?3
),
wanted AS MATERIALIZED (
    SELECT n.id
    FROM json_each(?4) AS f
    JOIN aggregate_types AS t ON t.name = f.value ->> 0
    JOIN event_types AS n
        ON n.aggregate_type_id = t.id
        AND (f.value ->> 1 IS NULL OR n.name = f.value ->> 1)
),
page AS MATERIALIZED (
    SELECT seen.position
    FROM scanned AS seen
    WHERE
        (?4 IS NULL OR seen.event_type_id IN (SELECT w.id FROM wanted AS w))
        AND seen.aggregate_id % ?7 = ?6
        AND (?5 IS NULL OR EXISTS (
            SELECT 1 FROM aggregates AS a WHERE a.id = seen.aggregate_id AND a.natural_key = ?5
        ))
    ORDER BY seen.position
    LIMIT ?2
)
SELECT
    json_group_array(CASE
        WHEN COALESCE(e.reference, e.correlation_id, e.causation_id, e.metadata) IS NULL
        THEN json_array(
            e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec,
            length(e.payload), e.event_time, e.recorded_at
        )
        ELSE json_array(
            e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec,
            length(e.payload), e.event_time, e.recorded_at,
            e.reference, e.correlation_id, e.causation_id, e.metadata
        )
    END) AS events,
    CAST(group_concat(e.payload, '') AS BLOB) AS payloads,
    (SELECT COALESCE(MAX(seen.position), 0) FROM scanned AS seen) AS looked_at,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head
-- CROSS: the page is the outer loop, and so in its order.
FROM page AS p
CROSS JOIN events AS e
WHERE e.position = p.position;
