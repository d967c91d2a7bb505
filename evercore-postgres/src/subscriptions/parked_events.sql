-- $1: the subscription; $2: only events after this position; $3: the most events
-- $4: the partition; $5: the number of partitions; $6: whether only those that are to be redriven
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata,
    k.reason, k.attempts, k.parked_at, k.redrive_at,
    k.redrive OR coalesce(k.redrive_at <= clock_timestamp(), false)
FROM evercore.parked_events k
-- OFFSET 0 has each event looked up by itself, where a join would let the server read the log.
CROSS JOIN LATERAL (SELECT * FROM evercore.events WHERE position = k.position OFFSET 0) e
WHERE k.subscription = $1
    AND k.position > (SELECT $2::bigint)
    AND k.aggregate_id % $5::bigint = $4::bigint
    AND (NOT $6 OR k.redrive OR k.redrive_at <= clock_timestamp())
ORDER BY k.position
LIMIT (SELECT $3::bigint)
