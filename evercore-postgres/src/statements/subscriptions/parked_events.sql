-- $1: the subscription; $2: only events after this position; $3: the most events
-- $4: the partition; $5: the number of partitions; $6: whether to return only events that are to be redriven
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    k.reason, k.attempts, k.parked_at, k.redrive_at,
    k.redrive OR coalesce(k.redrive_at <= clock_timestamp(), false)
FROM (
    SELECT *
    FROM evercore.parked_events
    WHERE subscription = $1
        AND position > (SELECT $2::bigint)
        AND lane % $5::bigint = $4::bigint
        AND (NOT $6 OR redrive OR redrive_at <= clock_timestamp())
    ORDER BY position
    LIMIT (SELECT $3::bigint)
) AS k
-- OFFSET 0 makes the server look each event up by itself; for a join, it might read the whole log.
CROSS JOIN LATERAL (SELECT * FROM evercore.events WHERE position = k.position OFFSET 0) AS e
ORDER BY k.position
