-- $1 queue    $2 after this id    $3 most tasks    $4 key, or NULL
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, t.ended_at, t.reason
FROM evercore.read_dead_tasks($1, $2, $3, $4) AS t
