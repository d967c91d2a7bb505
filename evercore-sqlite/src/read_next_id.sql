-- The first aggregate id that nobody has reserved.
SELECT next_id
FROM aggregate_ids;
