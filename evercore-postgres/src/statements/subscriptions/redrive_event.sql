-- $1: the subscription; $2: the position of a parked event. Redrives all parked events of its lane, so that one parked
-- later is handled after them.
UPDATE evercore.parked_events
SET redrive = true
WHERE subscription = $1
    AND lane = (
        SELECT k.lane FROM evercore.parked_events k WHERE k.subscription = $1 AND k.position = $2
    )
    AND NOT redrive
