-- Lists subscriptions with their partitions.
-- ?1 name, or NULL for all
-- ?2 whether to read what waits
WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER))
SELECT
    sub.name,
    sub.filter,
    sub.paused,
    p.cursor,
    p.token,
    p.owner,
    p.leased_until,
    COALESCE(p.leased_until <= clock.now, FALSE) AS ended,
    COALESCE(p.wanted_until > clock.now, FALSE) AS wanted,
    p.failure,
    CASE WHEN ?2 THEN (
        SELECT e.recorded_at FROM events AS e WHERE e.position > p.cursor ORDER BY e.position LIMIT 1
    ) END AS waiting_since,
    CASE WHEN ?2 THEN (
        SELECT COUNT(*) FROM parked_events AS kept WHERE kept.subscription = sub.name
    ) END AS parked,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head
FROM clock
CROSS JOIN subscriptions AS sub
JOIN subscription_partitions AS p ON p.subscription = sub.name
WHERE ?1 IS NULL OR sub.name = ?1
ORDER BY sub.name, p.number;
