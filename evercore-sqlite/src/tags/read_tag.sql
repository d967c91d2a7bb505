-- Returns positions that the index names for a tag and an event type, in order.
-- ?1 number of the tag       ?3 the first position    ?5 the most positions
-- ?2 event type id           ?4 the last position
SELECT position
FROM event_tags
WHERE tag = ?1 AND event_type_id = ?2 AND position BETWEEN ?3 AND ?4
ORDER BY position
LIMIT ?5;
