ALTER TABLE evercore.event_tags DROP CONSTRAINT event_tags_pkey;
