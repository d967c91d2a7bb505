-- Lists parked events, the aggregates and tags of these events in the log, the filters of their subscriptions, and the
-- cursors of their partitions.
-- ?1, ?2 only events after this subscription and position    ?3 the most events
SELECT kept.subscription, kept.position, kept.lane, e.aggregate_id, e.tags, sub.filter, p.cursor
FROM parked_events AS kept
-- If a position is repeated, the event of the lane.
LEFT JOIN events AS e ON e.rowid = COALESCE(
    (SELECT own.rowid FROM events AS own WHERE own.position = kept.position AND own.aggregate_id = kept.lane),
    (SELECT own.rowid FROM events AS own WHERE own.position = kept.position)
)
LEFT JOIN subscriptions AS sub ON sub.name = kept.subscription
LEFT JOIN subscription_partitions AS p
    ON p.subscription = kept.subscription
    AND p.number = kept.lane % sub.partitions
WHERE (kept.subscription, kept.position) > (?1, ?2)
ORDER BY kept.subscription, kept.position
LIMIT ?3;
