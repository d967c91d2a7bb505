-- A page of the events that a subscription follows, in position order.
-- $1: only events after this position    $5: aggregate types, or NULL for all
-- $2: the frontier                       $6: events, NULL for all of their aggregate's
-- $3: the most events to return          $7: natural key, or NULL
-- $4: the most events to look at         $8: partition; $9: number of partitions
--
-- The names are looked up each time: a type may have been stored just now, by another process.
WITH looked_at AS MATERIALIZED (
    SELECT e.position, e.aggregate_id, e.event_type_id
    FROM evercore.events e
    WHERE e.position > $1 AND e.position <= $2
    ORDER BY e.position
    LIMIT $4
),
page AS MATERIALIZED (
    SELECT l.position
    FROM looked_at l
    WHERE ($5::text[] IS NULL OR l.event_type_id = ANY (ARRAY(
            SELECT et.id
            FROM unnest($5::text[], $6::text[]) AS f(aggregate, event)
            JOIN evercore.aggregate_types at ON at.name = f.aggregate
            JOIN evercore.event_types et
                ON et.aggregate_type_id = at.id AND (f.event IS NULL OR et.name = f.event)
        )))
        AND l.aggregate_id % $9::bigint = $8::bigint
        AND ($7::text IS NULL OR EXISTS (
            SELECT FROM evercore.aggregates a WHERE a.id = l.aggregate_id AND a.natural_key = $7
        ))
    ORDER BY l.position
    LIMIT $3
)
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata,
    scope.last, scope.count
FROM (SELECT max(l.position) AS last, count(*) AS count FROM looked_at l) AS scope
LEFT JOIN (page JOIN evercore.events e USING (position)) ON true
ORDER BY e.position
