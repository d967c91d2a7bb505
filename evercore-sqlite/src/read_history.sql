-- Reads a page of the events of one aggregate, in sequence order.
-- ?1 aggregate id                   ?2 the sequence before the page
-- ?3 the last sequence to return    ?4 the most events to return
SELECT
    position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
    reference, correlation_id, causation_id, metadata, tags
FROM events
WHERE aggregate_id = ?1 AND sequence > ?2 AND sequence <= ?3
ORDER BY sequence
LIMIT ?4;
