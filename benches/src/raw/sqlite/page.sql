-- ? only events after this position, the maximum number of events
SELECT position, aggregate_id, sequence, event_type, payload, recorded_at
FROM raw_events
WHERE position > ?
ORDER BY position
LIMIT ?
