-- ?1 queue    ?2 key, or NULL    ?3 after this id    ?4 number    ?5 whether dead ones, not discarded ones
SELECT
    0, id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, FALSE, ended_at, reason
FROM ended_tasks
WHERE queue = ?1 AND (reason IS NULL) = ?5 AND (?2 IS NULL OR key = ?2) AND id > ?3
ORDER BY id
LIMIT ?4;
