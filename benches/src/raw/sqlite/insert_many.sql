-- The head of the statement; one tuple for each event follows.
INSERT INTO raw_events (aggregate_id, sequence, event_type, payload, recorded_at)
VALUES
