INSERT INTO sorted_event_tags SELECT tag, event_type_id, position FROM event_tags ORDER BY 1, 2, 3;

DROP TABLE event_tags;

ALTER TABLE sorted_event_tags RENAME TO event_tags;

PRAGMA wal_checkpoint(TRUNCATE);
