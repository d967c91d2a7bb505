-- $1: the aggregate's id; $2: only events after this sequence; $3: the last sequence, null for no bound; $4: the most
-- events.
SELECT
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version,
    codec, payload, reference, correlation_id, causation_id, metadata, tags
FROM evercore.events
WHERE aggregate_id = $1
    AND sequence > (SELECT $2::bigint)
    AND sequence <= (SELECT coalesce($3, 9223372036854775807))
ORDER BY sequence
LIMIT (SELECT $4::bigint)
