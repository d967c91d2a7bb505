-- $1 id    $2 token    $3 failure
WITH gone AS (
    DELETE FROM evercore.tasks t WHERE t.id = $1 AND t.token = $2 RETURNING t.*
)
INSERT INTO evercore.ended_tasks (
    id, due, enqueued_at, ended_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
    causation_id, metadata, failure
)
SELECT
    g.id, g.due, g.enqueued_at, now(), g.attempts, g.version, g.priority, g.codec, g.queue, g.key, g.task_type, g.payload,
    g.correlation_id, g.causation_id, g.metadata, $3
FROM gone g
