-- Locks the tasks in the order of their ids, as commits do that complete them. No token is given twice, so it names its
-- task.
-- $1 ids    $2 tokens
WITH locked AS MATERIALIZED (
    SELECT t.id
    FROM evercore.tasks t
    WHERE t.id = ANY ($1::uuid[]) AND t.token = ANY ($2::bigint[])
    ORDER BY t.id
    FOR UPDATE
)
UPDATE evercore.tasks t
SET token = NULL, owner = NULL, attempts = t.attempts - 1, due = now()
WHERE t.id = ANY (ARRAY(SELECT locked.id FROM locked))
