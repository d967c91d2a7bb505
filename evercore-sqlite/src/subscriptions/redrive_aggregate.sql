-- ?1 subscription    ?2 aggregate
UPDATE parked_events SET redrive = 1 WHERE subscription = ?1 AND aggregate_id = ?2;
