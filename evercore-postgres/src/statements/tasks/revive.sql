-- Makes dead tasks due again, except for those whose key another task has by now.
-- $1 queue    $2 id, or NULL for all
WITH dead AS (
    SELECT t.id, t.key, row_number() OVER (PARTITION BY t.key ORDER BY t.id) AS n
    FROM evercore.ended_tasks t
    WHERE t.queue = $1 AND t.reason IS NULL AND ($2::uuid IS NULL OR t.id = $2)
),
revived AS (
    INSERT INTO evercore.tasks (
        id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
        causation_id, metadata, failure
    )
    SELECT
        t.id, now(), t.enqueued_at, 0, t.version, t.priority, t.codec, t.queue, t.key, t.task_type, t.payload,
        t.correlation_id, t.causation_id, t.metadata, t.failure
    FROM evercore.ended_tasks t
    JOIN dead d ON d.id = t.id AND (d.key IS NULL OR d.n = 1)
    ORDER BY t.id
    ON CONFLICT DO NOTHING
    RETURNING id
)
DELETE FROM evercore.ended_tasks t USING revived r WHERE t.id = r.id
