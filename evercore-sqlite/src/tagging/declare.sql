-- Stores a declaration. One that is stored stays as it is, unless the tag is retired.
-- ?1 aggregate type, ?2 event type, ?3 name of the tag, ?4 state
INSERT INTO event_type_tags (event_type_id, name, state)
SELECT t.id, ?3, ?4
FROM event_types AS t
JOIN aggregate_types AS a ON a.id = t.aggregate_type_id
WHERE a.name = ?1 AND t.name = ?2
ON CONFLICT (event_type_id, name) DO UPDATE
SET state = 3
WHERE excluded.state = 3;
