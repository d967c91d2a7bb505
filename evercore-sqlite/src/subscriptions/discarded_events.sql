-- Lists discarded events, in position order: the columns of a page, and those of the discarded event.
-- ?1 subscription    ?2 only events after this position    ?3 the most events
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    gone.failure, gone.attempts, gone.parked_at, gone.discarded_at, gone.discarded_by, gone.reason
-- CROSS makes the discarded events the outer loop, and keeps their order.
FROM discarded_events AS gone
CROSS JOIN events AS e ON e.position = gone.position
WHERE gone.subscription = ?1 AND gone.position > ?2
ORDER BY gone.position
LIMIT ?3;
