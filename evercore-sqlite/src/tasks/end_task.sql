-- Copies a task to those that have ended, in the place of its former copy.
-- ?1 id    ?2 failure, or NULL to keep it    ?3 reason for which it is discarded, or NULL
INSERT OR REPLACE INTO ended_tasks (
    id, queue, key, priority, due, attempts, failure, task_type, version, codec, payload, correlation_id,
    causation_id, metadata, enqueued_at, ended_at, reason
)
SELECT
    id, queue, key, priority, due, attempts, COALESCE(?2, failure), task_type, version, codec, payload,
    correlation_id, causation_id, metadata, enqueued_at, CAST(unixepoch('subsec') * 1000000 AS INTEGER), ?3
FROM tasks
WHERE id = ?1;
