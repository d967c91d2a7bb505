ALTER TABLE evercore.event_tags ADD PRIMARY KEY (tag, event_type_id, position);
