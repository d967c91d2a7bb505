-- Lists the natural keys of a type in order, and the aggregates that hold them.
-- ?1 the type's name    ?2 only keys after this one    ?3 the most keys
SELECT natural_key, COUNT(*), MIN(id), MAX(id)
FROM aggregates
WHERE
    aggregate_type_id = (SELECT t.id FROM aggregate_types AS t WHERE t.name = ?1)
    AND natural_key > ?2
GROUP BY natural_key
ORDER BY natural_key
LIMIT ?3;
