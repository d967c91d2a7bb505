-- Lists parked events, the aggregates and tags of these events in the log, the filters of their subscriptions, and the
-- cursors of their partitions.
-- ?1, ?2 only events after this subscription and position    ?3 the most events
SELECT kept.subscription, kept.position, kept.lane, e.aggregate_id, e.tags, sub.filter, p.cursor
FROM parked_events AS kept
-- If a position is repeated, the event of the lane.
LEFT JOIN events AS e ON e.rowid = (
    SELECT own.rowid
    FROM events AS own
    WHERE own.position = kept.position
    ORDER BY own.aggregate_id = kept.lane DESC
    LIMIT 1
)
LEFT JOIN subscriptions AS sub ON sub.name = kept.subscription
LEFT JOIN subscription_partitions AS p
    ON p.subscription = kept.subscription
    AND p.number = kept.lane % sub.partitions
WHERE (kept.subscription, kept.position) > (?1, ?2)
ORDER BY kept.subscription, kept.position
LIMIT ?3;
