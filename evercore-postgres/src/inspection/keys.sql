-- $1: the type's name; $2: only keys after this one; $3: the most keys.
SELECT a.natural_key, count(*), min(a.id), max(a.id)
FROM evercore.aggregates a
WHERE a.aggregate_type_id = (SELECT t.id FROM evercore.aggregate_types t WHERE t.name = $1)
    AND a.natural_key > $2
GROUP BY a.natural_key
ORDER BY a.natural_key
LIMIT $3
