-- Lists aggregates and snapshots in the order of their ids, including rows that only one of the two tables has.
-- ?1 only ids after this one    ?2 the most ids
WITH found (id) AS (
    SELECT id FROM (SELECT id FROM aggregates WHERE id > ?1 ORDER BY id LIMIT ?2)
    UNION
    SELECT aggregate_id
    FROM (SELECT aggregate_id FROM snapshots WHERE aggregate_id > ?1 ORDER BY aggregate_id LIMIT ?2)
    ORDER BY 1
    LIMIT ?2
)
SELECT
    found.id, a.id IS NOT NULL AS is_there, t.name, a.natural_key, s.sequence, s.fingerprint, s.state
FROM found
LEFT JOIN aggregates AS a ON a.id = found.id
LEFT JOIN aggregate_types AS t ON t.id = a.aggregate_type_id
LEFT JOIN snapshots AS s ON s.aggregate_id = found.id
ORDER BY found.id;
