-- Locks the tasks in the order of their ids, as commits do that complete them. No token is given twice, so it names its
-- task.
-- $1 ids    $2 tokens    $3 duration of the lease
WITH locked AS MATERIALIZED (
    SELECT t.id
    FROM evercore.tasks t
    WHERE t.id = ANY ($1::uuid[]) AND t.token = ANY ($2::bigint[])
    ORDER BY t.id
    FOR UPDATE
)
UPDATE evercore.tasks t
SET due = now() + $3
WHERE t.id = ANY (ARRAY(SELECT locked.id FROM locked))
RETURNING t.token
