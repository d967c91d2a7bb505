-- $1 commit    $2 aggregate    $3 type of the aggregate, null if it is there    $4 sequences    $5 payloads    $6 time
WITH new_aggregate AS (
    INSERT INTO evercore.aggregates (id, aggregate_type_id)
    SELECT $2, $3::integer WHERE $3 IS NOT NULL
),
written AS (
    INSERT INTO evercore.events (
        aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
        reference, correlation_id, causation_id, metadata
    )
    SELECT $2, new.sequence, 1, 1, 1, new.payload, $6, $6, NULL, NULL, NULL, NULL
    FROM unnest($4::bigint[], $5::bytea[]) AS new(sequence, payload)
    RETURNING position
)
INSERT INTO evercore.commits (id, landed, first_position, last_position, recorded_at)
SELECT $1, true, min(written.position), max(written.position), $6
FROM written
