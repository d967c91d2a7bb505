-- $1 queue    $2 key
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, t.token, t.owner
FROM evercore.tasks t
WHERE t.queue = $1 AND t.key = $2
