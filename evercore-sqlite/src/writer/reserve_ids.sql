-- ?1 number of ids
UPDATE aggregate_ids
SET next_id = next_id + ?1
RETURNING next_id - ?1 AS first_id;
