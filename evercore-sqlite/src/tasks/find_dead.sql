-- A dead task, with whether another task has its key by now.
-- ?1 queue    ?2 id
SELECT
    key,
    EXISTS (SELECT 1 FROM tasks AS other WHERE other.queue = ended_tasks.queue AND other.key = ended_tasks.key)
FROM ended_tasks
WHERE queue = ?1 AND id = ?2 AND reason IS NULL;
