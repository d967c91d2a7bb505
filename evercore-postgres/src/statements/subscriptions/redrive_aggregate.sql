-- $1: the subscription; $2: the aggregate
UPDATE evercore.parked_events SET redrive = true WHERE subscription = $1 AND aggregate_id = $2 AND NOT redrive
