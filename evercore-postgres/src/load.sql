-- $1: the aggregate's id, or null to look for the key.
-- $2: the number of the type that the aggregate should have.
-- $3: the natural key or the unique value, or null.
-- $4: the fingerprint of a usable snapshot, or null for none.
-- $5: the last sequence to load; null for no bound.
-- $6: the most events.
-- $7: the name of a unique value, whose value is $3; null for a natural key.
--
-- Returns the aggregate with its snapshot in a row without a position, and then its events. So the aggregate's columns
-- are not sent, or joined, for each event.
WITH target AS MATERIALIZED (
    SELECT a.id, a.aggregate_type_id, a.natural_key, s.sequence, s.state
    FROM evercore.aggregates a
    LEFT JOIN evercore.snapshots s
        ON s.aggregate_id = a.id
        AND s.fingerprint = $4::bigint
        AND s.sequence <= coalesce($5, 9223372036854775807)
    WHERE a.id = coalesce(
        $1,
        CASE
            WHEN $7::text IS NULL THEN (
                SELECT k.id
                FROM evercore.aggregates k
                WHERE k.aggregate_type_id = $2 AND k.natural_key = $3
            )
            ELSE (
                SELECT u.aggregate_id
                FROM evercore.unique_values u
                WHERE u.aggregate_type_id = $2 AND u.name = $7 AND u.value = $3
            )
        END
    )
)
SELECT
    NULL::bigint AS position, t.id AS aggregate_id, t.sequence, NULL::timestamptz AS event_time,
    NULL::timestamptz AS recorded_at, t.aggregate_type_id AS event_type_id, NULL::integer AS version,
    NULL::smallint AS codec, t.state AS payload, t.natural_key AS reference, NULL::text AS correlation_id,
    NULL::text AS causation_id, NULL::text AS metadata, NULL::text AS tags
FROM target t
UNION ALL
(
    SELECT
        e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
        e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags
    FROM evercore.events e
    WHERE e.aggregate_id = (SELECT t.id FROM target t WHERE t.aggregate_type_id = $2)
        AND e.sequence > (SELECT coalesce(t.sequence, 0) FROM target t)
        AND e.sequence <= (SELECT coalesce($5, 9223372036854775807))
    ORDER BY e.sequence
    LIMIT (SELECT $6::bigint)
)
