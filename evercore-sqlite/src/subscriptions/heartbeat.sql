-- Returns the head of the log and the state of leases.
-- ?1 leases as JSON, [[subscription, partition, token, …], …]
WITH clock (now) AS (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER))
SELECT
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head,
    p.number IS NOT NULL AS held,
    COALESCE(sub.paused, FALSE) AS paused,
    COALESCE(p.wanted_until > clock.now, FALSE) AS wanted,
    -- Two searches, each by its own index: a single one would look at all parked events.
    EXISTS (
        SELECT 1
        FROM parked_events AS kept INDEXED BY parked_events_to_redrive
        WHERE
            kept.subscription = sub.name
            AND kept.redrive = 1
            AND kept.lane % sub.partitions = p.number
    ) OR EXISTS (
        SELECT 1
        FROM parked_events AS kept INDEXED BY parked_events_by_redrive_time
        WHERE
            kept.subscription = sub.name
            AND kept.redrive_at <= clock.now
            AND kept.lane % sub.partitions = p.number
    ) AS redrive
FROM clock
LEFT JOIN json_each(?1) AS b ON TRUE
LEFT JOIN subscription_partitions AS p
    ON p.subscription = b.value ->> 0
    AND p.number = b.value ->> 1
    AND p.token = b.value ->> 2
LEFT JOIN subscriptions AS sub ON sub.name = p.subscription
ORDER BY b.key;
