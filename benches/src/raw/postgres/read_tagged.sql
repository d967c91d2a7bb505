-- The payloads of the events that have each of some tags, by the number of the tag's place, from 1.
-- $1 numbers of the tags    $2 event type
SELECT a.place, e.payload
FROM unnest($1::bigint[]) WITH ORDINALITY AS a(number, place)
CROSS JOIN LATERAL (
    SELECT s.payload
    FROM evercore.event_tags t
    JOIN evercore.events s ON s.position = t.position
    WHERE t.tag = a.number AND t.event_type_id = $2
    ORDER BY t.position
) AS e
