-- Reads the lowest and the highest cursor of the partitions, and an owner of one of them.
-- ?1 subscription
SELECT
    MIN(p.cursor) AS first,
    MAX(p.cursor) AS last,
    MAX(p.owner) FILTER (
        WHERE p.leased_until > CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    ) AS owner
FROM subscription_partitions AS p
WHERE p.subscription = ?1;
