-- ?1 subscription
DELETE FROM parked_events WHERE subscription = ?1;
