-- $1: the subscription; $2: only events after this position; $3: the most events
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata,
    d.failure, d.attempts, d.parked_at, d.discarded_at, d.discarded_by, d.reason
FROM evercore.discarded_events d
JOIN evercore.events e USING (position)
WHERE d.subscription = $1 AND d.position > $2
ORDER BY d.position
LIMIT $3
