-- ?1 aggregate id    ?2 sequence    ?3 fingerprint    ?4 state
INSERT INTO snapshots (aggregate_id, sequence, fingerprint, state)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (aggregate_id) DO UPDATE
SET sequence = excluded.sequence, fingerprint = excluded.fingerprint, state = excluded.state;
