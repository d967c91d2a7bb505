-- ? only events after this position, the maximum number of events
SELECT json_group_array(json_array(
    page.position, page.aggregate_id, page.sequence, page.event_type, json(page.payload), page.recorded_at
))
FROM (
    SELECT position, aggregate_id, sequence, event_type, payload, recorded_at
    FROM raw_events
    WHERE position > ?
    ORDER BY position
    LIMIT ?
) AS page
