-- ?1 snapshots, as a JSON array of [aggregate id, sequence, fingerprint, start and length of its state in ?2]
-- ?2 the states, one after the other; of none at all, `substr` would make NULL
INSERT INTO snapshots (aggregate_id, sequence, fingerprint, state)
SELECT value ->> 0, value ->> 1, value ->> 2, COALESCE(substr(?2, value ->> 3, value ->> 4), x'')
FROM json_each(?1)
WHERE TRUE
ON CONFLICT (aggregate_id) DO UPDATE
SET sequence = excluded.sequence, fingerprint = excluded.fingerprint, state = excluded.state;
