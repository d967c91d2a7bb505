-- $1: the name, or NULL for all; $2: whether to read what waits. Lists subscriptions with their partitions.
--
-- The head is the last visible event, though readers may not be shown it yet: a transaction's events lie beyond the
-- frontier until its locks are released, which is a moment after its cursor becomes visible.
SELECT
    s.name,
    s.filter,
    s.paused,
    p.cursor,
    p.token,
    p.owner,
    p.leased_until,
    coalesce(p.leased_until <= clock_timestamp(), false) AS ended,
    coalesce(p.wanted_until > clock_timestamp(), false) AS wanted,
    p.failure,
    CASE
        WHEN $2 THEN (
            SELECT e.recorded_at
            FROM evercore.events e
            WHERE e.position > p.cursor
            ORDER BY e.position
            LIMIT 1
        )
    END AS waiting_since,
    CASE
        WHEN $2 THEN (SELECT count(*) FROM evercore.parked_events k WHERE k.subscription = s.name)
    END AS parked,
    (SELECT coalesce(max(e.position), 0) FROM evercore.events e) AS head
FROM evercore.subscriptions s
JOIN evercore.subscription_partitions p ON p.subscription = s.name
WHERE $1::text IS NULL OR s.name = $1
ORDER BY s.name, p.number
