-- $1: the subscription
DELETE FROM evercore.parked_events WHERE subscription = $1
