-- $1: the aggregate's id, or null to look for the key.
-- $2: the number of the type that the aggregate should have.
-- $3: the natural key, or null.
-- $4: the fingerprint of a usable snapshot, or null for none.
-- $5: nothing after this sequence; null for no bound.
-- $6: the most events.
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload,
    e.event_time, e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata,
    a.id,
    a.aggregate_type_id,
    a.natural_key,
    s.sequence,
    -- Once is enough.
    CASE
        WHEN e.sequence IS NULL OR e.sequence = s.sequence + 1 THEN s.state
    END
FROM evercore.aggregates a
LEFT JOIN evercore.snapshots s
    ON s.aggregate_id = a.id
    AND s.fingerprint = $4::bigint
    AND s.sequence <= coalesce($5, 9223372036854775807)
LEFT JOIN LATERAL (
    SELECT *
    FROM evercore.events tail
    WHERE tail.aggregate_id = a.id
        AND tail.sequence > coalesce(s.sequence, 0)
        AND tail.sequence <= coalesce($5, 9223372036854775807)
    ORDER BY tail.sequence
    LIMIT $6
) AS e ON a.aggregate_type_id = $2
WHERE a.id = coalesce(
    $1,
    (
        SELECT k.id
        FROM evercore.aggregates k
        WHERE k.aggregate_type_id = $2 AND k.natural_key = $3
    )
)
ORDER BY e.sequence
