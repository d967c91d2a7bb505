-- Claims the tasks of a queue that are due, those of a higher priority first, up to one whose last lease has ended
-- without an outcome; or that one alone. `now()` is when the statement began.
-- $1 queue    $2 owner    $3 duration of the lease    $4 most tasks
WITH due AS MATERIALIZED (
    SELECT found.*
    FROM unnest('{0,1,2}'::smallint[]) AS p(priority)
    CROSS JOIN LATERAL (
        SELECT t.id, t.priority, t.due, t.token IS NOT NULL AS is_abandoned
        FROM evercore.tasks t
        WHERE t.queue = $1
            AND t.priority = p.priority
            AND t.due <= now()
            AND NOT EXISTS (SELECT FROM evercore.paused_queues AS paused WHERE paused.queue = $1)
        ORDER BY t.due, t.id
        LIMIT $4
        FOR UPDATE OF t SKIP LOCKED
    ) AS found
),
ordered AS (
    SELECT
        d.*,
        row_number() OVER claims AS n,
        bool_or(d.is_abandoned) OVER claims AS has_abandoned
    FROM due d
    WINDOW claims AS (ORDER BY d.priority, d.due, d.id)
),
chosen AS (
    -- `has_abandoned` counts the row itself and those before it.
    SELECT o.* FROM ordered o WHERE o.n = 1 OR o.n <= $4 AND NOT o.has_abandoned
)
UPDATE evercore.tasks t
SET token = nextval('evercore.task_tokens'), owner = $2, attempts = t.attempts + 1, due = now() + $3
FROM chosen c
WHERE t.id = c.id
RETURNING
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, c.is_abandoned, t.token, t.owner, c.n
