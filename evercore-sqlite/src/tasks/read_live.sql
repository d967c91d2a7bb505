-- In the order in which they are claimed.
-- ?1 queue    ?2 priority, ?3 time and ?4 id: after this place    ?5 number
SELECT
    number, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, FALSE, token, owner
FROM tasks
WHERE queue = ?1 AND (priority, due, id) > (?2, ?3, ?4)
ORDER BY priority, due, id
LIMIT ?5;
