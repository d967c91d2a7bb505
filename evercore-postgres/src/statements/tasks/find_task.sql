-- $1 id
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, t.token, t.owner, NULL::timestamptz, NULL::text
FROM evercore.tasks t
WHERE t.id = $1
UNION ALL
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, false, NULL, NULL, t.ended_at, t.reason
FROM evercore.ended_tasks t
WHERE t.id = $1
