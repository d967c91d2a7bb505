-- $1: only events after this position; $2: the frontier; $3: the most events.
SELECT
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version,
    codec, payload, reference, correlation_id, causation_id, metadata, tags
FROM evercore.events
WHERE position > (SELECT $1::bigint)
    AND position <= (SELECT $2::bigint)
ORDER BY position
LIMIT (SELECT $3::bigint)
