-- $1: the subscription; $2: the position
UPDATE evercore.parked_events SET redrive = true WHERE subscription = $1 AND position = $2
