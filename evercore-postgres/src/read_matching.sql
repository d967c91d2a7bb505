-- Reads a page of the events that match a filter and a partition, in position order.
-- $1: only events after this position    $5: aggregate types, or NULL for all
-- $2: the frontier                       $6: events, NULL for all of their aggregate's
-- $3: the most events to return          $7: natural key, or NULL
-- $4: the most events to look at         $8: partition; $9: number of partitions
--                                        $10: correlation id, or NULL; $11: tags, or NULL
--                                        $12: the name of the tag that is the lane, or NULL; its tag is `name:value`
--
-- A full page ends with its last event. A page that is not full is followed by a row without a position that says how
-- far the statement looked: `aggregate_id` is that position, and `event_type_id` is 1 if the limit on events to look at
-- was reached. Type names are looked up each time, since another process may have stored a type just now.
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM (
        SELECT
            e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version,
            e.codec, e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags
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
        -- As `EventFilter::lane_of`.
        AND coalesce(
            CASE WHEN $12::text IS NOT NULL THEN (
                SELECT CASE WHEN count(*) = 1 THEN
                    ('x' || encode(substr(sha256(convert_to(min(t.tag), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
                        & 9223372036854775807
                END
                FROM unnest(string_to_array(l.tags, E'\n')) AS t(tag)
                WHERE starts_with(t.tag, $12 || ':')
            ) END,
            l.aggregate_id
        ) % $9::bigint = $8::bigint
        -- Finds the aggregate that holds the key in each type, and does not check the aggregate of each event: the
        -- server might then read all aggregates.
        AND ($7::text IS NULL OR l.aggregate_id = ANY (ARRAY(
            SELECT (SELECT a.id FROM evercore.aggregates a WHERE a.aggregate_type_id = at.id AND a.natural_key = $7)
            FROM evercore.aggregate_types at
        )))
        AND ($10::text IS NULL OR l.correlation_id = $10)
        AND ($11::text[] IS NULL OR string_to_array(l.tags, E'\n') @> $11)
    ORDER BY l.position
    LIMIT $3
),
scope AS MATERIALIZED (
    SELECT
        -- Fewer positions than the limit cannot have more events than it.
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
    page.codec, page.payload, page.reference, page.correlation_id, page.causation_id, page.metadata, page.tags
FROM page
UNION ALL
SELECT
    NULL, coalesce(scope.cut, scope.newest), NULL, NULL, NULL, (scope.cut IS NOT NULL)::integer, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM scope
