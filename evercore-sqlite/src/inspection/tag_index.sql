-- Lists the rows of the index of tags in order, each with the type and the tags of the event that it refers to.
-- ?1, ?2, ?3 only rows after this tag, event type and position    ?4 the most rows
SELECT i.tag, i.event_type_id, i.position, e.position IS NOT NULL AS is_there, e.event_type_id, e.tags
FROM event_tags AS i
LEFT JOIN events AS e ON e.position = i.position
WHERE (i.tag, i.event_type_id, i.position) > (?1, ?2, ?3)
ORDER BY i.tag, i.event_type_id, i.position
LIMIT ?4;
