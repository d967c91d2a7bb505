-- ?1 queue    ?2 key
SELECT
    number, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, FALSE, token, owner
FROM tasks
WHERE queue = ?1 AND key = ?2;
