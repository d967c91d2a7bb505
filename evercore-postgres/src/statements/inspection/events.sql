-- $1, $2, $3: only events after this aggregate, sequence and position; $4: the last aggregate; $5: the most events.
--
-- Lists events in the order of their aggregates: the columns of an event, and whether its aggregate exists. As in
-- `commits.sql`, the aggregate is looked up by itself.
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
    e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    (SELECT true FROM evercore.aggregates a WHERE a.id = e.aggregate_id LIMIT 1) IS NOT NULL
        AS has_aggregate
FROM evercore.events e
WHERE (e.aggregate_id, e.sequence, e.position)
        > ((SELECT $1::bigint), (SELECT $2::bigint), (SELECT $3::bigint))
    AND e.aggregate_id >= (SELECT $1::bigint)
    AND e.aggregate_id <= (SELECT $4::bigint)
ORDER BY e.aggregate_id, e.sequence, e.position
LIMIT (SELECT $5::bigint)
