-- Not those that are to be redriven already: of many, each that is handled comes here.
-- ?1 subscription    ?2 aggregate
-- INDEXED BY: SQLite avoids an index that it is to change, and would look through all that is parked.
UPDATE parked_events INDEXED BY parked_events_by_aggregate
SET redrive = 1
WHERE subscription = ?1 AND aggregate_id = ?2 AND redrive = 0;
