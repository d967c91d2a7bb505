-- $1 queue    $2 id    $3 reason
-- The task that is returned to the sender: $4 id, or NULL    $5 queue    $6 correlation id    $7 causation id
-- $8 metadata
WITH gone AS (
    DELETE FROM evercore.tasks t WHERE t.queue = $1 AND t.id = $2 AND t.token IS NULL RETURNING t.*
),
returned AS (
    INSERT INTO evercore.tasks (
        id, due, enqueued_at, attempts, version, priority, codec, queue, task_type, payload, correlation_id,
        causation_id, metadata
    )
    SELECT
        $4::uuid, now(), now(), 0, g.version, 1, g.codec, $5::text, g.task_type, g.payload, $6::text, $7::text,
        $8::text
    FROM gone g
    WHERE $4::uuid IS NOT NULL
)
INSERT INTO evercore.ended_tasks (
    id, due, enqueued_at, ended_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
    causation_id, metadata, failure, reason
)
SELECT
    g.id, g.due, g.enqueued_at, now(), g.attempts, g.version, g.priority, g.codec, g.queue, g.key, g.task_type, g.payload,
    g.correlation_id, g.causation_id, g.metadata, g.failure, $3
FROM gone g
