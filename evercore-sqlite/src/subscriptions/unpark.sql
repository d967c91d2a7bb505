-- ?1 subscription    ?2 position
DELETE FROM parked_events WHERE subscription = ?1 AND position = ?2 RETURNING lane;
