-- $1 only events after this position    $2 the maximum number of events
SELECT
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version,
    codec, payload, reference, correlation_id, causation_id, metadata
FROM evercore.events
WHERE position > $1
ORDER BY position
LIMIT $2
