ALTER TABLE event_tags RENAME TO sorted_event_tags;

CREATE TABLE event_tags (tag, event_type_id, position);
