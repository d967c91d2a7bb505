-- Marks ids as taken that a transaction has given to new aggregates without reserving them before.
-- ?1 the last of these ids
UPDATE aggregate_ids
SET next_id = MAX(next_id, ?1 + 1);
