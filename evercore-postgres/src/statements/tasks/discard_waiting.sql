-- $1 queue    $2 id    $3 reason
WITH gone AS (
    DELETE FROM evercore.tasks t WHERE t.queue = $1 AND t.id = $2 AND t.token IS NULL RETURNING t.*
)
INSERT INTO evercore.ended_tasks (
    id, due, enqueued_at, ended_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
    causation_id, metadata, failure, reason
)
SELECT
    g.id, g.due, g.enqueued_at, now(), g.attempts, g.version, g.priority, g.codec, g.queue, g.key, g.task_type, g.payload,
    g.correlation_id, g.causation_id, g.metadata, g.failure, $3
FROM gone g
