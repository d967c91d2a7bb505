-- Returns whether a queue is paused, and the time until a task of it may be due, in microseconds.
-- $1 queue
SELECT
    EXISTS (SELECT FROM evercore.paused_queues p WHERE p.queue = $1),
    (extract(epoch FROM min(first.due) - now()) * 1000000)::bigint
FROM unnest('{0,1,2}'::smallint[]) AS p(priority)
CROSS JOIN LATERAL (
    SELECT t.due FROM evercore.tasks t WHERE t.queue = $1 AND t.priority = p.priority ORDER BY t.due, t.id LIMIT 1
) AS first
