-- Locks the tasks in the order of their ids, as commits do that complete them.
-- $1 ids    $2 tokens    $3 duration of the lease
WITH locked AS MATERIALIZED (
    SELECT t.id
    FROM unnest($1::uuid[], $2::bigint[]) AS held(id, token)
    JOIN evercore.tasks t ON t.id = held.id AND t.token = held.token
    ORDER BY t.id
    FOR UPDATE OF t
)
UPDATE evercore.tasks t
SET due = now() + $3
FROM locked
WHERE t.id = locked.id
RETURNING t.token
