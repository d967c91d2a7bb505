-- The beginning of the statement; one tuple for each event follows.
-- ? aggregate id, sequence, event type id, version, codec, payload, event time, recorded at,
--   reference, correlation id, causation id, metadata, tags
INSERT INTO events (
    aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
    reference, correlation_id, causation_id, metadata, tags
)
VALUES
