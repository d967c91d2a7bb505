-- $1 only events after this position    $2 the maximum number of events
SELECT position, aggregate_id, sequence, event_type, payload, recorded_at
FROM raw_events
WHERE position > $1
ORDER BY position
LIMIT $2
