-- Finds the free partition with the lowest number, and the owner of the lease that ends first.
-- ?1 subscription    ?2 the worker that asks
WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER))
SELECT
    (
        SELECT p.number
        FROM subscription_partitions AS p
        WHERE
            p.subscription = ?1
            AND (p.leased_until IS NULL OR p.leased_until <= clock.now)
            AND (p.wanted_until IS NULL OR p.wanted_until <= clock.now OR p.wanted_by = ?2)
        ORDER BY p.number
        LIMIT 1
    ) AS free,
    (
        SELECT p.owner
        FROM subscription_partitions AS p
        WHERE p.subscription = ?1 AND p.owner IS NOT NULL
        ORDER BY p.leased_until
        LIMIT 1
    ) AS owner,
    (
        SELECT MIN(p.leased_until) FROM subscription_partitions AS p WHERE p.subscription = ?1
    ) AS until,
    clock.now
FROM clock;
