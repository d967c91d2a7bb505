-- $1 aggregates    $2 sequences    $3 payloads    $4 time
INSERT INTO raw_events (aggregate_id, sequence, event_type, payload, recorded_at)
SELECT new.aggregate_id, new.sequence, 'money-deposited', new.payload, $4
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS new(aggregate_id, sequence, payload)
