-- Returns whether a queue is paused, the time until a task of it may be due, in microseconds, and the time before which no
-- claim need look for one.
-- $1 queue    $2 the time before which none is looked for, or NULL
SELECT
    EXISTS (SELECT FROM evercore.paused_queues p WHERE p.queue = $1),
    (extract(epoch FROM min(first.due) - now()) * 1000000)::bigint,
    least(min(first.due), now() - interval '1 second')
FROM unnest('{0,1,2}'::smallint[]) AS p(priority)
CROSS JOIN LATERAL (
    SELECT t.due
    FROM evercore.tasks t
    WHERE t.queue = $1 AND t.priority = p.priority AND t.due >= coalesce($2, '-infinity')
    ORDER BY t.due, t.id
    LIMIT 1
) AS first
