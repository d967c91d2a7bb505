-- Reads a page of the events that match a filter and a partition, in position order.
-- ?1 the position before the page       ?5 natural key, or NULL
-- ?2 the most events to return          ?6 partition, or NULL for all
-- ?3 the most events to look at         ?7 number of partitions
-- ?4 types as JSON, [[aggregate, event or null], …], or NULL for all
-- ?8 correlation id, or NULL            ?9 tags as JSON, or NULL
--
-- Type names are looked up each time, since another process may have stored a type just now. Events are looked at one
-- by one, only until the page is full.
WITH wanted AS MATERIALIZED (
    SELECT n.id
    FROM json_each(?4) AS f
    JOIN aggregate_types AS t ON t.name = f.value ->> 0
    JOIN event_types AS n
        ON n.aggregate_type_id = t.id
        AND (f.value ->> 1 IS NULL OR n.name = f.value ->> 1)
)
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags
FROM (
    SELECT position, aggregate_id, event_type_id
    FROM events
    WHERE position > ?1
    ORDER BY position
    LIMIT ?3
) AS seen
-- CROSS makes the events that are looked at the outer loop, and keeps their order.
CROSS JOIN events AS e ON e.position = seen.position
WHERE
    (?4 IS NULL OR seen.event_type_id IN (SELECT w.id FROM wanted AS w))
    AND (?6 IS NULL OR seen.aggregate_id % ?7 = ?6)
    AND (?5 IS NULL OR EXISTS (
        SELECT 1 FROM aggregates AS a WHERE a.id = seen.aggregate_id AND a.natural_key = ?5
    ))
    AND (?8 IS NULL OR e.correlation_id = ?8)
    AND (?9 IS NULL OR NOT EXISTS (
        SELECT 1
        FROM json_each(?9) AS t
        WHERE instr(char(10) || COALESCE(e.tags, '') || char(10), char(10) || t.value || char(10)) = 0
    ))
LIMIT ?2;
