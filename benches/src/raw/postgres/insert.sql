-- $1 aggregate    $2 sequence    $3 payload    $4 time
INSERT INTO raw_events (aggregate_id, sequence, event_type, payload, recorded_at)
VALUES ($1, $2, 'money-deposited', $3, $4)
