-- $1: the subscription; $2: aggregates
SELECT n.id
FROM unnest($2::bigint[]) AS n(id)
WHERE EXISTS (
    SELECT
    FROM evercore.parked_events k
    WHERE k.subscription = $1 AND k.aggregate_id = n.id
)
