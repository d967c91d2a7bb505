-- ?1 and ?2: the first and the last name of queues. A BLOB is after all names.
WITH
    clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    live AS (
        SELECT
            queue,
            SUM(due <= now) AS due,
            MIN(due) FILTER (WHERE due <= now) AS oldest,
            SUM(due > now AND token IS NULL) AS scheduled,
            SUM(due > now AND token IS NOT NULL) AS running
        FROM tasks CROSS JOIN clock
        WHERE queue BETWEEN ?1 AND ?2
        GROUP BY queue
    ),
    dead AS (
        SELECT queue, COUNT(*) AS dead
        FROM ended_tasks
        WHERE (reason IS NULL) = TRUE AND queue BETWEEN ?1 AND ?2
        GROUP BY queue
    ),
    names AS (
        SELECT queue FROM live
        UNION SELECT queue FROM dead
        UNION SELECT queue FROM paused_queues WHERE queue BETWEEN ?1 AND ?2
    )
SELECT
    names.queue,
    EXISTS (SELECT 1 FROM paused_queues AS p WHERE p.queue = names.queue),
    COALESCE(live.due, 0),
    live.oldest,
    COALESCE(live.scheduled, 0),
    COALESCE(live.running, 0),
    COALESCE(dead.dead, 0)
FROM names
LEFT JOIN live ON live.queue = names.queue
LEFT JOIN dead ON dead.queue = names.queue
ORDER BY names.queue;
