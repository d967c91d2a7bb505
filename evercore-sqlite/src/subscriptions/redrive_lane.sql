-- Marks the parked events of a lane to be redriven, and skips those already marked: with many of them, this runs
-- for each one that is handled.
-- ?1 subscription    ?2 lane
-- INDEXED BY, because SQLite avoids an index that the statement changes, and would look through all parked events.
UPDATE parked_events INDEXED BY parked_events_by_lane
SET redrive = 1
WHERE subscription = ?1 AND lane = ?2 AND redrive = 0;
