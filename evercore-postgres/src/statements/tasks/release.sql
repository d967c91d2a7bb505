-- $1 ids    $2 tokens
UPDATE evercore.tasks t
SET token = NULL, owner = NULL, attempts = t.attempts - 1, due = now()
FROM unnest($1::uuid[], $2::bigint[]) AS held(id, token)
WHERE t.id = held.id AND t.token = held.token
