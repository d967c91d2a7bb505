-- $1, $2: only events after this subscription and position; $3: the most events.
--
-- Parked events, whether they are where they should be, and the cursors of their partitions. As in
-- `commits.sql`, each event is looked up by itself.
SELECT
    k.subscription, k.position, k.aggregate_id,
    (
        SELECT true
        FROM evercore.events e
        WHERE e.position = k.position AND e.aggregate_id = k.aggregate_id
        LIMIT 1
    ) IS NOT NULL AS is_there,
    p.cursor
FROM evercore.parked_events k
LEFT JOIN evercore.subscriptions s ON s.name = k.subscription
LEFT JOIN evercore.subscription_partitions p
    ON p.subscription = k.subscription
    AND p.number = k.aggregate_id % s.partitions
WHERE (k.subscription, k.position) > ($1, $2)
ORDER BY k.subscription, k.position
LIMIT $3
