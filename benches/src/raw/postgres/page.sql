-- $1 only events after this position    $2 the most events
SELECT position, aggregate_id, sequence, event_type, payload, recorded_at
FROM raw_events
WHERE position > $1
ORDER BY position
LIMIT $2
