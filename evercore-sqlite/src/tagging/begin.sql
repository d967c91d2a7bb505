-- Begins to give a declared tag to older events.
-- ?1 aggregate type, ?2 event type, ?3 name of the tag
UPDATE event_type_tags
SET state = 1
WHERE event_type_id = (
    SELECT t.id
    FROM event_types AS t
    JOIN aggregate_types AS a ON a.id = t.aggregate_type_id
    WHERE a.name = ?1 AND t.name = ?2
)
AND name = ?3
AND state = 0;
