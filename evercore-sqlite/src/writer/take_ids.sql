-- Notes that a transaction has given ids to new aggregates which it had not reserved before.
-- ?1 the last of them
UPDATE aggregate_ids
SET next_id = MAX(next_id, ?1 + 1);
