-- A page of the log, in position order, and the log's last position.
-- ?1 the position before the page    ?2 the most events to return
SELECT
    json_group_array(json_array(
        page.position, page.aggregate_id, page.sequence, page.event_type_id, page.version, page.codec,
        length(page.payload), page.event_time, page.recorded_at,
        page.reference, page.correlation_id, page.causation_id, page.metadata
    )) AS events,
    CAST(group_concat(page.payload, '') AS BLOB) AS payloads,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head
FROM (
    SELECT *
    FROM events
    WHERE position > ?1
    ORDER BY position
    LIMIT ?2
) AS page;
