-- The minimal tables of a program without a framework.
CREATE TABLE raw_events (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    aggregate_id INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    event_type   TEXT    NOT NULL,
    payload      TEXT    NOT NULL,
    recorded_at  INTEGER NOT NULL,
    UNIQUE (aggregate_id, sequence)
) STRICT;

CREATE TABLE raw_snapshots (
    aggregate_id INTEGER PRIMARY KEY,
    sequence     INTEGER NOT NULL,
    state        BLOB    NOT NULL
) STRICT;
