-- ? aggregates and their new natural keys, as a JSON array of [id, key]
UPDATE aggregates
SET natural_key = claim.value ->> 1
FROM json_each(?) AS claim
WHERE aggregates.id = claim.value ->> 0;
