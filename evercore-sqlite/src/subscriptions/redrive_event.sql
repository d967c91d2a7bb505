-- Marks all parked events of the lane to be redriven, so that one parked later is handled after them.
-- INDEXED BY: as in `redrive_lane.sql`.
-- ?1 subscription    ?2 position of a parked event
UPDATE parked_events INDEXED BY parked_events_by_lane
SET redrive = 1
WHERE
    subscription = ?1
    AND lane = (
        SELECT kept.lane FROM parked_events AS kept WHERE kept.subscription = ?1 AND kept.position = ?2
    )
    AND redrive = 0;
