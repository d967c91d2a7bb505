-- Not unique, so that an event that was handled twice has two rows.
CREATE TABLE handled (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    position     INTEGER NOT NULL,
    aggregate_id INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    worker       TEXT    NOT NULL
) STRICT;

CREATE TABLE written_beside (attempt INTEGER NOT NULL) STRICT;

CREATE TABLE moved_back (
    subscription TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    was          INTEGER NOT NULL,
    became       INTEGER NOT NULL
) STRICT;

CREATE TRIGGER note_what_moves_back
AFTER UPDATE OF cursor ON subscription_partitions
WHEN new.cursor < old.cursor
BEGIN
    INSERT INTO moved_back VALUES (old.subscription, old.number, old.cursor, new.cursor);
END;
