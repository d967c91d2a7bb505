-- $1: the type's name; $2: only keys after this one; $3: the most keys.
--
-- The type is compared as a range, so that only the index of keys has the wanted order.
SELECT a.natural_key, count(*), min(a.id), max(a.id)
FROM evercore.aggregates a
WHERE a.natural_key IS NOT NULL
    AND a.aggregate_type_id >= (SELECT t.id FROM evercore.aggregate_types t WHERE t.name = $1)
    AND a.aggregate_type_id <= (SELECT t.id FROM evercore.aggregate_types t WHERE t.name = $1)
    AND (a.aggregate_type_id, a.natural_key)
        > ((SELECT t.id FROM evercore.aggregate_types t WHERE t.name = $1), (SELECT $2::text))
GROUP BY a.aggregate_type_id, a.natural_key
ORDER BY a.aggregate_type_id, a.natural_key
LIMIT (SELECT $3::bigint)
