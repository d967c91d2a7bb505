-- ? ids of the aggregates that give up their natural keys, as a JSON array
UPDATE aggregates
SET natural_key = NULL
WHERE id IN (SELECT value FROM json_each(?));
