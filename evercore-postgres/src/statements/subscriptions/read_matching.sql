-- A page of the events that a subscription follows, in position order.
-- $1: only events after this position    $5: aggregate types, or NULL for all
-- $2: the frontier                       $6: events, NULL for all of their aggregate's
-- $3: the most events to return          $7: natural key, or NULL
-- $4: the most events to look at         $8: partition; $9: number of partitions
--
-- A full page ends with its last event. Only of one that is not full is it said how far was looked, in a row without a
-- position after the events: in place of `aggregate_id`, and in place of `event_type_id` a 1 if that is the most to look
-- at. The names are looked up each time: a type may have been stored just now, by another process.
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM (
        SELECT
            e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
            e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata
        FROM evercore.events e
        WHERE e.position > (SELECT $1::bigint) AND e.position <= (SELECT $2::bigint)
        ORDER BY e.position
        LIMIT (SELECT $4::bigint)
    ) AS l
    WHERE ($5::text[] IS NULL OR l.event_type_id = ANY (ARRAY(
            SELECT et.id
            FROM unnest($5::text[], $6::text[]) AS f(aggregate, event)
            JOIN evercore.aggregate_types at ON at.name = f.aggregate
            JOIN evercore.event_types et
                ON et.aggregate_type_id = at.id AND (f.event IS NULL OR et.name = f.event)
        )))
        AND l.aggregate_id % $9::bigint = $8::bigint
        -- For each type the one that holds the key, and not for each event whether its aggregate does: the server may
        -- take that for a reason to read all aggregates.
        AND ($7::text IS NULL OR l.aggregate_id = ANY (ARRAY(
            SELECT (SELECT a.id FROM evercore.aggregates a WHERE a.aggregate_type_id = at.id AND a.natural_key = $7)
            FROM evercore.aggregate_types at
        )))
    ORDER BY l.position
    LIMIT $3
),
scope AS MATERIALIZED (
    SELECT
        -- Fewer positions than that have fewer events.
        CASE WHEN $2 - $1 >= $4 THEN (
            SELECT e.position
            FROM evercore.events e
            WHERE e.position > (SELECT $1::bigint) AND e.position <= (SELECT $2::bigint)
            ORDER BY e.position
            OFFSET (SELECT $4::bigint - 1)
            LIMIT 1
        ) END AS cut,
        (
            SELECT e.position
            FROM evercore.events e
            WHERE e.position > (SELECT $1::bigint) AND e.position <= (SELECT $2::bigint)
            ORDER BY e.position DESC
            LIMIT 1
        ) AS newest
    WHERE (SELECT count(*) FROM page) < $3
)
SELECT
    page.position, page.aggregate_id, page.sequence, page.event_time, page.recorded_at, page.event_type_id, page.version,
    page.codec, page.payload, page.reference, page.correlation_id, page.causation_id, page.metadata
FROM page
UNION ALL
SELECT
    NULL, coalesce(scope.cut, scope.newest), NULL, NULL, NULL, (scope.cut IS NOT NULL)::integer, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL
FROM scope
