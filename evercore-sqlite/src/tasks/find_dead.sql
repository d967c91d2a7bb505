-- The dead tasks of a queue, with whether another task has their key by now.
-- ?1 queue    ?2 id, or NULL for all
SELECT
    id,
    key,
    EXISTS (SELECT 1 FROM tasks AS other WHERE other.queue = ended_tasks.queue AND other.key = ended_tasks.key)
FROM ended_tasks
WHERE queue = ?1 AND reason IS NULL AND (?2 IS NULL OR id = ?2)
ORDER BY id;
