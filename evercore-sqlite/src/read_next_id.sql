-- Reads the first aggregate id that is not reserved.
SELECT next_id
FROM aggregate_ids;
