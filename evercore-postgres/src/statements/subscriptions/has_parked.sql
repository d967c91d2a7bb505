-- $1: the subscription. Returns a row if any event is parked.
SELECT 1 FROM evercore.parked_events WHERE subscription = $1 ORDER BY position LIMIT 1
