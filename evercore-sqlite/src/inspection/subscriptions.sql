-- Lists subscriptions in the order of their names, with their partitions.
-- ?1 only names after this one    ?2 the most subscriptions
WITH found AS (
    SELECT name, filter, partitions FROM subscriptions WHERE name > ?1 ORDER BY name LIMIT ?2
)
SELECT
    found.name, found.filter, found.partitions, p.number, p.cursor, p.token, p.owner,
    p.leased_until IS NOT NULL AS has_end,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head
FROM found
LEFT JOIN subscription_partitions AS p ON p.subscription = found.name
ORDER BY found.name, p.number;
