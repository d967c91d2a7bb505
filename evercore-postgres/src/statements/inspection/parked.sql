-- $1, $2: only events after this subscription and position; $3: the most events.
--
-- Lists parked events, the aggregates and tags of these events in the log, the filters of their subscriptions, and the
-- cursors of their partitions. As in `aggregates.sql`, each event is looked up by itself.
SELECT k.subscription, k.position, k.lane, e.aggregate_id, e.tags, s.filter, p.cursor
FROM (
    SELECT *
    FROM evercore.parked_events
    WHERE (subscription, position) > ((SELECT $1::text), (SELECT $2::bigint))
    ORDER BY subscription, position
    LIMIT (SELECT $3::bigint)
) AS k
LEFT JOIN evercore.subscriptions s ON s.name = k.subscription
LEFT JOIN evercore.subscription_partitions p
    ON p.subscription = k.subscription
    AND p.number = k.lane % s.partitions
LEFT JOIN LATERAL (
    SELECT own.aggregate_id, own.tags
    FROM evercore.events own
    WHERE own.position = k.position
    -- If a position is repeated, the event of the lane.
    ORDER BY own.aggregate_id = k.lane DESC
    LIMIT 1
) AS e ON true
ORDER BY k.subscription, k.position
