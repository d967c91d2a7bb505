-- $1: the subscription; $2: the position of a parked event. Returns its lane and the lane's first parked event.
SELECT
    found.lane,
    (
        SELECT min(k.position)
        FROM evercore.parked_events k
        WHERE k.subscription = $1 AND k.lane = found.lane
    )
FROM evercore.parked_events found
WHERE found.subscription = $1 AND found.position = $2
