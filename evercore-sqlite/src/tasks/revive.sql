-- ?1 id
INSERT INTO tasks (
    id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at
)
SELECT
    id, queue, key, priority, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 0, failure, task_type, version, codec,
    payload, correlation_id, causation_id, metadata, enqueued_at
FROM ended_tasks
WHERE id = ?1;
