-- ? only events after this position, the most events
SELECT position, aggregate_id, sequence, event_type, payload, recorded_at
FROM raw_events
WHERE position > ?
ORDER BY position
LIMIT ?
