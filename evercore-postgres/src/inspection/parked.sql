-- $1, $2: only events after this subscription and position; $3: the most events.
--
-- Parked events, with what is at their positions, and the cursors of their partitions.
SELECT k.subscription, k.position, k.aggregate_id, e.aggregate_id, p.cursor
FROM evercore.parked_events k
LEFT JOIN evercore.events e ON e.position = k.position
LEFT JOIN evercore.subscriptions s ON s.name = k.subscription
LEFT JOIN evercore.subscription_partitions p
    ON p.subscription = k.subscription
    AND p.number = k.aggregate_id % s.partitions
WHERE (k.subscription, k.position) > ($1, $2)
ORDER BY k.subscription, k.position
LIMIT $3
