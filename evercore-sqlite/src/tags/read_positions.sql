-- Reads the events at some positions, in their order.
-- ?1 positions, as a JSON array
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags
-- CROSS makes the positions the outer loop, and keeps their order.
FROM json_each(?1) AS wanted
CROSS JOIN events AS e ON e.position = wanted.value;
