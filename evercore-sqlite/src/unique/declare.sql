-- Stores names of unique values that are not stored yet.
-- ?1 names, as a JSON array of [aggregate type, name]
INSERT INTO unique_names (aggregate_type, name, is_complete)
SELECT
    named.value ->> 0,
    named.value ->> 1,
    NOT EXISTS (
        SELECT 1
        FROM aggregate_types AS t
        JOIN aggregates AS a ON a.aggregate_type_id = t.id
        WHERE t.name = named.value ->> 0
    )
FROM json_each(?1) AS named
WHERE TRUE
ON CONFLICT (aggregate_type, name) DO NOTHING;
