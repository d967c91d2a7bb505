-- $1: the subscription; $2: the lane
UPDATE evercore.parked_events SET redrive = true WHERE subscription = $1 AND lane = $2 AND NOT redrive
