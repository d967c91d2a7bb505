-- ?1 subscription
UPDATE parked_events SET redrive = 1 WHERE subscription = ?1 AND redrive = 0;
