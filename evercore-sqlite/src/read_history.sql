-- A page of the events of one aggregate, in sequence order.
-- ?1 aggregate id                   ?2 the sequence before the page
-- ?3 the last sequence to return    ?4 the most events to return
--
-- The events are taken in the order of the scan. A sub-query with a LIMIT around them would copy each row once more.
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
    CAST(group_concat(e.payload, '') AS BLOB) AS payloads
FROM events AS e
WHERE
    e.aggregate_id = ?1
    AND e.sequence > ?2
    AND e.sequence <= (
        SELECT MAX(page.sequence)
        FROM (
            SELECT sequence
            FROM events
            WHERE aggregate_id = ?1 AND sequence > ?2 AND sequence <= ?3
            ORDER BY sequence
            LIMIT ?4
        ) AS page
    );
