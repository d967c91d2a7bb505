-- Makes dead tasks due again, except for those whose key another task has by now. Locks them in the order of their ids.
-- $1 queue    $2 ids
WITH dead AS MATERIALIZED (
    SELECT t.*
    FROM evercore.ended_tasks t
    WHERE t.id = ANY ($2::uuid[]) AND t.queue = $1 AND t.reason IS NULL
    ORDER BY t.id
    FOR UPDATE
),
revived AS (
    INSERT INTO evercore.tasks (
        id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
        causation_id, metadata, failure
    )
    SELECT
        d.id, now(), d.enqueued_at, 0, d.version, d.priority, d.codec, d.queue, d.key, d.task_type, d.payload,
        d.correlation_id, d.causation_id, d.metadata, d.failure
    FROM dead d
    ON CONFLICT DO NOTHING
    RETURNING id
)
DELETE FROM evercore.ended_tasks t WHERE t.id = ANY (ARRAY(SELECT revived.id FROM revived))
