-- $1: the subscription; $2: the position of a parked event. Returns its aggregate and the aggregate's first parked
-- event.
SELECT
    found.aggregate_id,
    (
        SELECT min(k.position)
        FROM evercore.parked_events k
        WHERE k.subscription = $1 AND k.aggregate_id = found.aggregate_id
    )
FROM evercore.parked_events found
WHERE found.subscription = $1 AND found.position = $2
