-- ?1 id      ?3 key        ?5 due, or NULL    ?7 type       ?9 codec       ?11 correlation id    ?13 metadata
-- ?2 queue   ?4 priority   ?6 wait            ?8 version    ?10 payload    ?12 causation id
WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER))
INSERT INTO tasks (
    id, queue, key, priority, due, task_type, version, codec, payload, correlation_id, causation_id, metadata,
    enqueued_at
)
SELECT ?1, ?2, ?3, ?4, MAX(COALESCE(?5, now), now) + ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, now FROM clock;
