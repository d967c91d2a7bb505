-- $1 aggregate
SELECT
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version,
    codec, payload, reference, correlation_id, causation_id, metadata
FROM evercore.events
WHERE aggregate_id = $1
ORDER BY sequence
