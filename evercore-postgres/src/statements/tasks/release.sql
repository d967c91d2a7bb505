-- Locks the tasks in the order of their ids, as commits do that complete them.
-- $1 ids    $2 tokens
WITH locked AS MATERIALIZED (
    SELECT t.id
    FROM unnest($1::uuid[], $2::bigint[]) AS held(id, token)
    JOIN evercore.tasks t ON t.id = held.id AND t.token = held.token
    ORDER BY t.id
    FOR UPDATE OF t
)
UPDATE evercore.tasks t
SET token = NULL, owner = NULL, attempts = t.attempts - 1, due = now()
FROM locked
WHERE t.id = locked.id
