-- $1 ids    $2 tokens    $3 duration of the lease
UPDATE evercore.tasks t
SET due = now() + $3
FROM unnest($1::uuid[], $2::bigint[]) AS held(id, token)
WHERE t.id = held.id AND t.token = held.token
RETURNING t.token
