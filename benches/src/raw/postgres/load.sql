-- $1 aggregate    $2 only events after this sequence
SELECT sequence, event_type, payload, recorded_at
FROM raw_events
WHERE aggregate_id = $1 AND sequence > $2
ORDER BY sequence
