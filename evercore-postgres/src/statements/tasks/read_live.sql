-- $1 queue    $2 after this id, or NULL    $3 most tasks
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, t.token, t.owner
FROM evercore.tasks t
WHERE t.queue = $1 AND ($2::uuid IS NULL OR t.id > $2)
ORDER BY t.id
LIMIT $3
