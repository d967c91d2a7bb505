-- $1: the subscription; $2: lanes
SELECT n.lane
FROM unnest($2::bigint[]) AS n(lane)
WHERE EXISTS (
    SELECT
    FROM evercore.parked_events k
    WHERE k.subscription = $1 AND k.lane = n.lane
)
