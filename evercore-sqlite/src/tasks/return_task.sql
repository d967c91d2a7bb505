-- Enqueues the return of a task that will not be done.
-- ?1 id of that task    ?2 id    ?3 queue    ?4 correlation id    ?5 causation id    ?6 metadata
WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER))
INSERT INTO tasks (
    id, queue, priority, due, task_type, version, codec, payload, correlation_id, causation_id, metadata, enqueued_at
)
SELECT ?2, ?3, 1, clock.now, t.task_type, t.version, t.codec, t.payload, ?4, ?5, ?6, clock.now
FROM tasks t CROSS JOIN clock
WHERE t.id = ?1;
