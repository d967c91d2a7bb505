-- The beginning of the statement; one tuple for each tag of an event follows.
-- ? number of the tag, event type id, position
INSERT INTO event_tags (tag, event_type_id, position)
VALUES
