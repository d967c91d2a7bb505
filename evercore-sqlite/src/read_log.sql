-- A page of the log, in position order, and the log's last position.
-- ?1 the position before the page    ?2 the most events to return
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
    CAST(group_concat(e.payload, '') AS BLOB) AS payloads,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head
FROM events AS e
WHERE
    e.position > ?1
    AND e.position <= (
        SELECT MAX(page.position)
        FROM (SELECT position FROM events WHERE position > ?1 ORDER BY position LIMIT ?2) AS page
    );
