-- ? aggregate, only events after this sequence
SELECT sequence, event_type, payload, recorded_at
FROM raw_events
WHERE aggregate_id = ? AND sequence > ?
ORDER BY sequence
