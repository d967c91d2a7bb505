-- A page of the events of one aggregate, in sequence order.
-- ?1 aggregate id    ?2 the sequence before the page
-- ?3 the last sequence to return    ?4 the most events to return
SELECT
    json_group_array(json_array(
        page.position, page.aggregate_id, page.sequence, page.event_type_id, page.version, page.codec,
        length(page.payload), page.event_time, page.recorded_at,
        page.reference, page.correlation_id, page.causation_id, page.metadata
    )) AS events,
    CAST(group_concat(page.payload, '') AS BLOB) AS payloads
FROM (
    SELECT *
    FROM events
    WHERE aggregate_id = ?1 AND sequence > ?2 AND sequence <= ?3
    ORDER BY sequence
    LIMIT ?4
) AS page;
