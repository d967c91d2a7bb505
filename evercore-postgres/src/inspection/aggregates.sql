-- $1: only ids after this one; $2: the most ids.
--
-- Aggregates and snapshots in the order of their ids; what only one of the two tables has stands alone.
WITH found AS (
    (SELECT a.id FROM evercore.aggregates a WHERE a.id > $1 ORDER BY a.id LIMIT $2)
    UNION
    (SELECT s.aggregate_id FROM evercore.snapshots s WHERE s.aggregate_id > $1 ORDER BY s.aggregate_id LIMIT $2)
    ORDER BY id
    LIMIT $2
)
SELECT
    f.id, a.id IS NOT NULL AS is_there, t.name, a.natural_key, s.sequence, s.fingerprint, s.state
FROM found f
LEFT JOIN evercore.aggregates a ON a.id = f.id
LEFT JOIN evercore.aggregate_types t ON t.id = a.aggregate_type_id
LEFT JOIN evercore.snapshots s ON s.aggregate_id = f.id
ORDER BY f.id
