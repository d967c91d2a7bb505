-- $1: only events after this position; $2: the frontier; $3: the most events; $4: correlation id.
--
-- Compares with a range of one id instead of `=`, so that only the index of correlation ids has the wanted order. With
-- `=`, if many events shared one id when the table was analysed, the server would search the whole log for those of
-- another.
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags
FROM (
    SELECT *
    FROM evercore.events
    WHERE correlation_id IS NOT NULL
        AND correlation_id >= (SELECT $4::text)
        AND correlation_id <= (SELECT $4::text)
        AND (correlation_id, position) > ((SELECT $4::text), (SELECT $1::bigint))
    ORDER BY correlation_id, position
    LIMIT (SELECT $3::bigint)
) AS e
WHERE e.position <= $2
ORDER BY e.correlation_id, e.position
