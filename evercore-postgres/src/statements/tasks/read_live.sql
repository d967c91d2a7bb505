-- In the order in which they are claimed.
-- $1 queue    $2 priority, $3 time and $4 id: after this place    $5 most tasks
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, t.token, t.owner
FROM evercore.read_tasks($1, $2, $3, $4, $5) AS t
