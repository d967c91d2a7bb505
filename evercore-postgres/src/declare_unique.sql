-- $1: the names of aggregate types. $2: the names of unique values. Stored in one order, so that two processes cannot
-- deadlock. A name is complete if no aggregate of its type is stored.
INSERT INTO evercore.unique_names (aggregate_type, name, is_complete)
SELECT
    n.aggregate_type,
    n.name,
    NOT EXISTS (
        SELECT
        FROM evercore.aggregate_types t
        JOIN evercore.aggregates a ON a.aggregate_type_id = t.id
        WHERE t.name = n.aggregate_type
    )
FROM unnest($1::text[], $2::text[]) AS n(aggregate_type, name)
ORDER BY n.aggregate_type, n.name
ON CONFLICT (aggregate_type, name) DO NOTHING
