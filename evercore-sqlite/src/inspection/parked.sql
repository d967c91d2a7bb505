-- Parked events, with what is at their positions, and the cursors of their partitions.
-- ?1, ?2 only those after this subscription and position    ?3 the most
SELECT kept.subscription, kept.position, kept.aggregate_id, e.aggregate_id, p.cursor
FROM parked_events AS kept
LEFT JOIN events AS e ON e.position = kept.position
LEFT JOIN subscriptions AS sub ON sub.name = kept.subscription
LEFT JOIN subscription_partitions AS p
    ON p.subscription = kept.subscription
    AND p.number = kept.aggregate_id % sub.partitions
WHERE (kept.subscription, kept.position) > (?1, ?2)
ORDER BY kept.subscription, kept.position
LIMIT ?3;
