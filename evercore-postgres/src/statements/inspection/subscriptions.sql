-- $1: only names after this one; $2: the most subscriptions.
--
-- Lists subscriptions in the order of their names, with their partitions. As in `list.sql`, the head is the last
-- visible event.
WITH found AS (
    SELECT s.name, s.filter, s.partitions
    FROM evercore.subscriptions s
    WHERE s.name > (SELECT $1::text)
    ORDER BY s.name
    LIMIT (SELECT $2::bigint)
)
SELECT
    f.name, f.filter, f.partitions, p.number, p.cursor, p.token, p.owner,
    p.leased_until IS NOT NULL AS has_end,
    (SELECT coalesce(max(e.position), 0) FROM evercore.events e) AS head
FROM found f
LEFT JOIN evercore.subscription_partitions p ON p.subscription = f.name
ORDER BY f.name, p.number
