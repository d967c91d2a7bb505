-- Lists parked events, in position order: the columns of a page, and those of the parked event.
-- ?1 subscription                      ?4 partition
-- ?2 only events after this position   ?5 number of partitions
-- ?3 the most events                   ?6 whether to return only events that are to be redriven
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    kept.reason, kept.attempts, kept.parked_at, kept.redrive_at,
    kept.redrive OR COALESCE(kept.redrive_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER), FALSE) AS is_due
-- CROSS makes the parked events the outer loop, and keeps their order.
FROM parked_events AS kept
CROSS JOIN events AS e ON e.position = kept.position
WHERE
    kept.subscription = ?1
    AND kept.position > ?2
    AND kept.lane % ?5 = ?4
    AND (is_due OR NOT ?6)
ORDER BY kept.position
LIMIT ?3;
