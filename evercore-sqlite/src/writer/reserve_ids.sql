-- ?1 how many
UPDATE aggregate_ids
SET next_id = next_id + ?1
RETURNING next_id - ?1 AS first_id;
