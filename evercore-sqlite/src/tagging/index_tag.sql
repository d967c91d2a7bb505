-- Adds a row by which an older event is found by a tag. Two tags of an event may have the same number.
-- ?1 number of the tag, ?2 position
INSERT INTO event_tags (tag, event_type_id, position)
SELECT ?1, event_type_id, position
FROM events
WHERE position = ?2
ON CONFLICT (tag, event_type_id, position) DO NOTHING;
