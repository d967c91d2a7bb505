-- Reads an aggregate and its usable snapshot.
-- ?1 aggregate id, or NULL to look for the key    ?4 fingerprint of a usable snapshot, or NULL
-- ?2 id of the wanted aggregate type              ?5 the last sequence to return
-- ?3 natural key or unique value, or NULL         ?6 name of the unique value, or NULL for a natural key
SELECT a.id, a.aggregate_type_id, a.natural_key, s.sequence, s.state
FROM aggregates AS a
LEFT JOIN snapshots AS s
    ON s.aggregate_id = a.id
    AND s.fingerprint = ?4
    AND s.sequence <= ?5
    AND a.aggregate_type_id = ?2
WHERE a.id = COALESCE(
    ?1,
    CASE
        WHEN ?6 IS NULL THEN (
            SELECT k.id FROM aggregates AS k WHERE k.aggregate_type_id = ?2 AND k.natural_key = ?3
        )
        ELSE (
            SELECT u.aggregate_id
            FROM unique_values AS u
            WHERE u.aggregate_type_id = ?2 AND u.name = ?6 AND u.value = ?3
        )
    END
);
