-- The tasks of a queue and a priority that are due, in their order.
-- ?1 queue    ?2 priority    ?3 number
SELECT
    number, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, token IS NOT NULL
FROM tasks
WHERE queue = ?1 AND priority = ?2 AND due <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
ORDER BY due, id
LIMIT ?3;
