-- $1, $2: only events after this subscription and position; $3: the most events.
--
-- Lists parked events, whether they exist in the log, and the cursors of their partitions. As in `commits.sql`, each
-- event is looked up by itself.
SELECT
    k.subscription, k.position, k.aggregate_id,
    (
        SELECT true
        FROM evercore.events e
        WHERE e.position = k.position AND e.aggregate_id = k.aggregate_id
        LIMIT 1
    ) IS NOT NULL AS is_there,
    p.cursor
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
    AND p.number = k.aggregate_id % s.partitions
ORDER BY k.subscription, k.position
