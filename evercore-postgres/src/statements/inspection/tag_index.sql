-- $1, $2, $3: only rows after this tag, event type and position; $4: the most rows.
--
-- Lists the rows of the index of tags in order, each with the type and the tags of the event that it refers to. As in
-- `aggregates.sql`, each event is looked up by itself.
SELECT i.tag, i.event_type_id, i.position, e.event_type_id, e.tags
FROM (
    SELECT t.tag, t.event_type_id, t.position
    FROM evercore.event_tags t
    WHERE (t.tag, t.event_type_id, t.position)
            > ((SELECT $1::bigint), (SELECT $2::integer), (SELECT $3::bigint))
        AND t.tag >= (SELECT $1::bigint)
        AND t.tag <= 9223372036854775807
    ORDER BY t.tag, t.event_type_id, t.position
    LIMIT (SELECT $4::bigint)
) AS i
LEFT JOIN LATERAL (
    SELECT own.event_type_id, own.tags FROM evercore.events own WHERE own.position = i.position LIMIT 1
) AS e ON true
ORDER BY i.tag, i.event_type_id, i.position
