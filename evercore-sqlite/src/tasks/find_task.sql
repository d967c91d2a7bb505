-- ?1 id
SELECT
    number, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, FALSE, token, owner, NULL, NULL
FROM tasks
WHERE id = ?1
UNION ALL
SELECT
    0, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, FALSE, NULL, NULL, ended_at, reason
FROM ended_tasks
WHERE id = ?1;
