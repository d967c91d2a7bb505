-- $1: only ids after this one; $2: the most ids.
--
-- Lists aggregates and snapshots in the order of their ids, including rows that only one of the two tables has. OFFSET
-- 0 makes the server look each row up by itself; for a join, it might read both tables for a page.
WITH found AS (
    (
        SELECT a.id
        FROM evercore.aggregates a
        WHERE a.id > (SELECT $1::bigint) AND a.id <= 9223372036854775807
        ORDER BY a.id
        LIMIT (SELECT $2::bigint)
    )
    UNION
    (
        SELECT s.aggregate_id
        FROM evercore.snapshots s
        WHERE s.aggregate_id > (SELECT $1::bigint) AND s.aggregate_id <= 9223372036854775807
        ORDER BY s.aggregate_id
        LIMIT (SELECT $2::bigint)
    )
    ORDER BY id
    LIMIT $2
)
SELECT
    f.id, a.id IS NOT NULL AS is_there, t.name, a.natural_key, s.sequence, s.fingerprint, s.state
FROM found f
LEFT JOIN LATERAL (SELECT * FROM evercore.aggregates WHERE id = f.id OFFSET 0) a ON true
LEFT JOIN evercore.aggregate_types t ON t.id = a.aggregate_type_id
LEFT JOIN LATERAL (SELECT * FROM evercore.snapshots WHERE aggregate_id = f.id OFFSET 0) s ON true
ORDER BY f.id
