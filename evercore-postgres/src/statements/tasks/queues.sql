-- $1 name of a queue, or NULL for all
WITH live AS (
    SELECT
        t.queue,
        count(*) FILTER (WHERE t.due <= now()) AS due,
        min(t.due) FILTER (WHERE t.due <= now()) AS oldest,
        count(*) FILTER (WHERE t.due > now() AND t.token IS NULL) AS scheduled,
        count(*) FILTER (WHERE t.due > now() AND t.token IS NOT NULL) AS running
    FROM evercore.tasks t
    WHERE $1::text IS NULL OR t.queue = $1
    GROUP BY t.queue
),
dead AS (
    SELECT t.queue, count(*) AS dead
    FROM evercore.ended_tasks t
    WHERE t.reason IS NULL AND ($1 IS NULL OR t.queue = $1)
    GROUP BY t.queue
),
paused AS (
    SELECT p.queue FROM evercore.paused_queues p WHERE $1 IS NULL OR p.queue = $1
)
SELECT
    names.queue,
    paused.queue IS NOT NULL,
    coalesce(live.due, 0),
    live.oldest,
    coalesce(live.scheduled, 0),
    coalesce(live.running, 0),
    coalesce(dead.dead, 0)
FROM (
    SELECT l.queue FROM live l
    UNION SELECT d.queue FROM dead d
    UNION SELECT p.queue FROM paused p
) AS names
LEFT JOIN live ON live.queue = names.queue
LEFT JOIN dead ON dead.queue = names.queue
LEFT JOIN paused ON paused.queue = names.queue
ORDER BY names.queue
