-- ? aggregates, as a JSON array of [id, aggregate type id, natural key]
INSERT INTO aggregates (id, aggregate_type_id, natural_key)
SELECT value ->> 0, value ->> 1, value ->> 2
FROM json_each(?);
