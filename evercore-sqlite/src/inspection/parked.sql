-- Lists parked events, whether they exist in the log, and the cursors of their partitions.
-- ?1, ?2 only events after this subscription and position    ?3 the most events
SELECT
    kept.subscription, kept.position, kept.aggregate_id,
    EXISTS (
        SELECT 1 FROM events AS e WHERE e.position = kept.position AND e.aggregate_id = kept.aggregate_id
    ) AS is_there,
    p.cursor
FROM parked_events AS kept
LEFT JOIN subscriptions AS sub ON sub.name = kept.subscription
LEFT JOIN subscription_partitions AS p
    ON p.subscription = kept.subscription
    AND p.number = kept.aggregate_id % sub.partitions
WHERE (kept.subscription, kept.position) > (?1, ?2)
ORDER BY kept.subscription, kept.position
LIMIT ?3;
