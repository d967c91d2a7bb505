-- Stores an event, unless there are other events with its tags than were read.
-- $1 commit       $3 its type       $5 payload    $7 tags       $9 number of events that were read by each
-- $2 aggregate    $4 event type     $6 time       $8 numbers of the tags
WITH unchanged AS (
    SELECT
    WHERE NOT EXISTS (
        SELECT
        FROM unnest($8::bigint[], $9::bigint[]) AS a(number, seen)
        WHERE a.seen <> (
            SELECT count(*) FROM evercore.event_tags t WHERE t.tag = a.number AND t.event_type_id = $4
        )
    )
),
new_aggregate AS (
    INSERT INTO evercore.aggregates (id, aggregate_type_id)
    SELECT $2, $3::integer FROM unchanged
),
written AS (
    INSERT INTO evercore.events (
        aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at, tags
    )
    SELECT $2, 1, $4, 1, 1, $5, $6, $6, $7 FROM unchanged
    RETURNING position
),
indexed AS (
    INSERT INTO evercore.event_tags (tag, event_type_id, position)
    SELECT a.number, $4, written.position FROM written CROSS JOIN unnest($8::bigint[]) AS a(number)
)
INSERT INTO evercore.commits (id, landed, first_position, last_position, recorded_at)
SELECT $1, true, written.position, written.position, $6
FROM written
