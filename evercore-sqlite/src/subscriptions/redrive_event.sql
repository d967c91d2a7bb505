-- ?1 subscription    ?2 position
UPDATE parked_events SET redrive = 1 WHERE subscription = ?1 AND position = ?2;
