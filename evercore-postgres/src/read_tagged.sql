-- $1: the frontier, or null to look it up; $2 … $4: requests; $5 … $11: atoms. See the migration that defines it.
SELECT
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version,
    codec, payload, reference, correlation_id, causation_id, metadata, tags, request
FROM evercore.read_tagged($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
