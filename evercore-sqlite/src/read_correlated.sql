-- Reads a page of the events with a correlation id, in position order.
-- ?1 the position before the page    ?2 the most events to return    ?3 correlation id
SELECT
    position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
    reference, correlation_id, causation_id, metadata, tags
FROM events
WHERE correlation_id = ?3 AND position > ?1
ORDER BY position
LIMIT ?2;
