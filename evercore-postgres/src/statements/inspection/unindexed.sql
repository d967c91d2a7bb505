-- $1, $2, $3: the tags, event types and positions of rows that the index of tags should have.
--
-- Returns the places of those that it lacks, counted from 1. As in `commits.sql`, each row is looked up by itself.
SELECT w.n
FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) WITH ORDINALITY AS w(tag, event_type_id, position, n)
WHERE (
    SELECT true
    FROM evercore.event_tags t
    WHERE t.tag = w.tag AND t.event_type_id = w.event_type_id AND t.position = w.position
    LIMIT 1
) IS NULL
ORDER BY w.n
