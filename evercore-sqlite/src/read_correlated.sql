-- A page of the events with a correlation id, in position order, and the last position of them all.
-- ?1 the position before the page    ?2 the most events to return    ?3 correlation id
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
    (SELECT COALESCE(MAX(position), 0) FROM events WHERE correlation_id = ?3) AS head
FROM events AS e
WHERE
    e.correlation_id = ?3
    AND e.position > ?1
    AND e.position <= (
        SELECT MAX(page.position)
        FROM (
            SELECT position
            FROM events
            WHERE correlation_id = ?3 AND position > ?1
            ORDER BY position
            LIMIT ?2
        ) AS page
    );
