-- Reads the type, the natural key and the last sequence of an aggregate.
-- ?1 aggregate id
SELECT
    a.aggregate_type_id,
    a.natural_key,
    COALESCE((SELECT MAX(e.sequence) FROM events AS e WHERE e.aggregate_id = a.id), 0) AS sequence
FROM aggregates AS a
WHERE a.id = ?1;
