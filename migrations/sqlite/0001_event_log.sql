-- Creates the event log. Times are integer microseconds since the Unix epoch, UTC.

-- Each migration records itself here, even when it is run by hand.
CREATE TABLE evercore_migrations (
    version     INTEGER PRIMARY KEY,
    description TEXT NOT NULL,
    applied_at  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

CREATE TABLE aggregate_types (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE CHECK (name <> '')
) STRICT;

CREATE TABLE event_types (
    id                INTEGER PRIMARY KEY,
    aggregate_type_id INTEGER NOT NULL REFERENCES aggregate_types (id),
    name              TEXT    NOT NULL CHECK (name <> ''),
    UNIQUE (aggregate_type_id, name)
) STRICT;

CREATE TABLE aggregates (
    id                INTEGER PRIMARY KEY CHECK (id >= 1),
    aggregate_type_id INTEGER NOT NULL REFERENCES aggregate_types (id),
    natural_key       TEXT    CHECK (natural_key <> '')
) STRICT;

CREATE UNIQUE INDEX aggregates_by_natural_key
    ON aggregates (aggregate_type_id, natural_key)
    WHERE natural_key IS NOT NULL;

-- The unique values of aggregates: of all aggregates of a type, one has a value at a time.
CREATE TABLE unique_values (
    aggregate_type_id INTEGER NOT NULL,
    name              TEXT    NOT NULL,
    value             TEXT    NOT NULL,
    aggregate_id      INTEGER NOT NULL,
    PRIMARY KEY (aggregate_type_id, name, value)
) STRICT, WITHOUT ROWID;

-- Finds the values of an aggregate, to verify them.
CREATE INDEX unique_values_by_aggregate ON unique_values (aggregate_id);

-- The names of unique values that programs have declared. The aggregate type need not be stored yet.
CREATE TABLE unique_names (
    aggregate_type TEXT    NOT NULL CHECK (aggregate_type <> ''),
    name           TEXT    NOT NULL CHECK (name <> ''),
    -- Up to this id, the values of aggregates that were stored before are claimed.
    claimed_up_to  INTEGER NOT NULL DEFAULT 0,
    -- Whether all values are claimed.
    is_complete    INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
    PRIMARY KEY (aggregate_type, name)
) STRICT, WITHOUT ROWID;

-- The following tables have no foreign keys: each would cost a look-up per row, and the only writer of these tables has
-- found the aggregate and the type before it writes.

-- AUTOINCREMENT: the position of a deleted event is never given again.
-- The codec is 1 for JSON, 2 for CBOR, 3 for MessagePack, 4 for Protocol Buffers; plus 100 if zstd compressed the
-- payload; plus 1000 if the last 32 bytes of the payload are the event's hash.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT CHECK (position >= 1),
    aggregate_id   INTEGER NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence >= 1),
    event_type_id  INTEGER NOT NULL,
    version        INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    codec          INTEGER NOT NULL CHECK (codec >= 1),
    payload        BLOB    NOT NULL,
    event_time     INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    reference      TEXT,
    correlation_id TEXT,
    causation_id   TEXT,
    metadata       TEXT,
    -- The tags in the order of their bytes, separated by line breaks.
    tags           TEXT,
    UNIQUE (aggregate_id, sequence)
) STRICT;

-- Finds events by their correlation id. Events without one are not in the index, and cost nothing. The position is the
-- row id, which every index ends with.
CREATE INDEX events_by_correlation
    ON events (correlation_id)
    WHERE correlation_id IS NOT NULL;

-- Finds events by their tags: a row for each tag of an event. The number of a tag is the first 8 bytes of the SHA-256 of
-- its text, in big endian. Two tags may have the same number, so the text in `events.tags` decides.
CREATE TABLE event_tags (
    tag           INTEGER NOT NULL,
    event_type_id INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (tag, event_type_id, position)
) STRICT, WITHOUT ROWID;

-- The tags that programs declare for event types. The state is 0 if it is declared only, 1 while older events are given
-- the tag, 2 if all events have it, and 3 if new events do not get it any more. Events up to `done` have it.
CREATE TABLE event_type_tags (
    event_type_id INTEGER NOT NULL REFERENCES event_types (id),
    name          TEXT    NOT NULL CHECK (name <> ''),
    state         INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    done          INTEGER NOT NULL DEFAULT 0 CHECK (done >= 0),
    PRIMARY KEY (event_type_id, name)
) STRICT, WITHOUT ROWID;

-- One row: the version of the declared tags and unique values, which every commit names.
CREATE TABLE declarations (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    version  INTEGER NOT NULL
) STRICT;

INSERT INTO declarations (only_row, version) VALUES (1, 0);

-- The newest snapshot of each aggregate.
CREATE TABLE snapshots (
    aggregate_id INTEGER PRIMARY KEY,
    sequence     INTEGER NOT NULL CHECK (sequence >= 1),
    fingerprint  INTEGER NOT NULL,
    state        BLOB    NOT NULL
) STRICT;

-- The outcome of each commit: 1 for one that landed, 0 for one that was given up and must never land.
CREATE TABLE commits (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    outcome        INTEGER NOT NULL CHECK (outcome IN (0, 1)),
    first_position INTEGER,
    last_position  INTEGER,
    recorded_at    INTEGER NOT NULL,
    -- Of all commits with one key, only one lands. `command` and `result` hold its command and its result, encoded by
    -- the core.
    idempotency_key TEXT CHECK (idempotency_key <> ''),
    command         TEXT,
    result          TEXT,
    CHECK ((first_position IS NULL) = (last_position IS NULL)),
    CHECK (first_position <= last_position),
    CHECK (outcome = 1 OR first_position IS NULL),
    CHECK (outcome = 1 OR idempotency_key IS NULL),
    CHECK ((idempotency_key IS NULL) = (command IS NULL)),
    CHECK ((idempotency_key IS NULL) = (result IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX commits_by_idempotency_key
    ON commits (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- One row: the next aggregate id that is not reserved.
CREATE TABLE aggregate_ids (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    next_id  INTEGER NOT NULL CHECK (next_id >= 1)
) STRICT;

INSERT INTO aggregate_ids (only_row, next_id) VALUES (1, 1);

-- Shows the log to people, with names and readable times, and the payload as text if it is JSON, else as its bytes. All
-- rows are shown, whatever is in them.
CREATE VIEW event_log AS
SELECT
    e.position,
    t.name AS aggregate_type,
    e.aggregate_id,
    a.natural_key,
    e.sequence,
    n.name AS event_type,
    e.version,
    strftime('%Y-%m-%dT%H:%M:%S', (e.event_time - (e.event_time % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
        || printf('.%06dZ', (e.event_time % 1000000 + 1000000) % 1000000) AS event_time,
    strftime('%Y-%m-%dT%H:%M:%S', (e.recorded_at - (e.recorded_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
        || printf('.%06dZ', (e.recorded_at % 1000000 + 1000000) % 1000000) AS recorded_at,
    CASE e.codec % 100 WHEN 1 THEN 'json' WHEN 2 THEN 'cbor' WHEN 3 THEN 'messagepack' WHEN 4 THEN 'protobuf' END
        || CASE WHEN e.codec % 1000 > 100 THEN ' zstd' ELSE '' END AS codec,
    CASE WHEN e.codec % 1000 = 1 AND json_valid(CAST(p.payload AS TEXT)) THEN CAST(p.payload AS TEXT) ELSE p.payload END
        AS payload,
    CASE WHEN e.codec > 1000 THEN lower(hex(substr(e.payload, -32))) END AS hash,
    e.reference,
    e.correlation_id,
    e.causation_id,
    e.metadata,
    e.tags
FROM events AS e
JOIN (
    SELECT
        position,
        CASE WHEN codec > 1000 THEN substr(payload, 1, MAX(length(payload) - 32, 0)) ELSE payload END AS payload
    FROM events
) AS p ON p.position = e.position
LEFT JOIN aggregates AS a ON a.id = e.aggregate_id
LEFT JOIN event_types AS n ON n.id = e.event_type_id
LEFT JOIN aggregate_types AS t ON t.id = n.aggregate_type_id;

INSERT INTO evercore_migrations (version, description) VALUES (1, 'event log');
