-- $1: the subscription; $2: only events after this position; $3: the most events
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    d.failure, d.attempts, d.parked_at, d.discarded_at, d.discarded_by, d.reason
FROM (
    SELECT *
    FROM evercore.discarded_events
    WHERE subscription = $1
        AND position > (SELECT $2::bigint)
    ORDER BY position
    LIMIT (SELECT $3::bigint)
) AS d
-- As in `parked_events.sql`, each event is looked up by itself.
CROSS JOIN LATERAL (SELECT * FROM evercore.events WHERE position = d.position OFFSET 0) AS e
ORDER BY d.position
