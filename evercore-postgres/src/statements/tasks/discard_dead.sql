-- Locks the tasks in the order of their ids.
-- $1 queue    $2 ids    $3 reason
WITH locked AS MATERIALIZED (
    SELECT t.id
    FROM evercore.ended_tasks t
    WHERE t.id = ANY ($2::uuid[]) AND t.queue = $1 AND t.reason IS NULL
    ORDER BY t.id
    FOR UPDATE
)
UPDATE evercore.ended_tasks t
SET reason = $3, ended_at = now()
WHERE t.id = ANY (ARRAY(SELECT locked.id FROM locked))
