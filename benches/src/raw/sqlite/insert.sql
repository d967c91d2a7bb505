-- ? aggregate, sequence, payload, time
INSERT INTO raw_events (aggregate_id, sequence, event_type, payload, recorded_at)
VALUES (?, ?, 'money-deposited', ?, ?)
