-- Reads a page of the log, in position order.
-- ?1 the position before the page    ?2 the most events to return
SELECT
    position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
    reference, correlation_id, causation_id, metadata, tags
FROM events
WHERE position > ?1
ORDER BY position
LIMIT ?2;
