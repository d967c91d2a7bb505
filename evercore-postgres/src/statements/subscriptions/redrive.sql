-- $1: the subscription
UPDATE evercore.parked_events SET redrive = true WHERE subscription = $1 AND NOT redrive
