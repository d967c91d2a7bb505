-- Creates the tables of durable subscriptions. Times are integer microseconds since the Unix epoch, UTC.

CREATE TABLE subscriptions (
    name       TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
    -- The filter, as JSON.
    filter     TEXT    NOT NULL,
    partitions INTEGER NOT NULL CHECK (partitions >= 1),
    paused     INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))
) STRICT, WITHOUT ROWID;

-- The partitions of a subscription, each with its own cursor. A lease is held by its token, not by the owner's name,
-- and ends at `leased_until`.
CREATE TABLE subscription_partitions (
    subscription TEXT    NOT NULL REFERENCES subscriptions (name) ON DELETE CASCADE,
    number       INTEGER NOT NULL CHECK (number >= 0),
    cursor       INTEGER NOT NULL CHECK (cursor >= 0),
    token        INTEGER NOT NULL DEFAULT 0,
    owner        TEXT,
    leased_until INTEGER,
    wanted_by    TEXT,
    wanted_until INTEGER,
    failure      TEXT,
    PRIMARY KEY (subscription, number),
    CHECK ((owner IS NULL) = (leased_until IS NULL))
) STRICT, WITHOUT ROWID;

-- One row: the last token that was given. No token is ever given twice, not even after a subscription was deleted.
CREATE TABLE subscription_tokens (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL
) STRICT;

INSERT INTO subscription_tokens (only_row, last) VALUES (1, 0);

-- Parked events, and the later events of their lanes, which wait behind them. A lane is the id of an aggregate or, if
-- the filter says so, a number for the value of a tag.
CREATE TABLE parked_events (
    subscription TEXT    NOT NULL REFERENCES subscriptions (name) ON DELETE CASCADE,
    position     INTEGER NOT NULL REFERENCES events (position),
    lane         INTEGER NOT NULL,
    reason       TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    parked_at    INTEGER NOT NULL,
    redrive      INTEGER NOT NULL DEFAULT 0 CHECK (redrive IN (0, 1)),
    -- The time at which it is redriven automatically.
    redrive_at   INTEGER,
    PRIMARY KEY (subscription, position)
) STRICT, WITHOUT ROWID;

-- Includes `redrive`, so that the events of a lane that are to be redriven, and those that are not, are found
-- among many.
CREATE INDEX parked_events_by_lane ON parked_events (subscription, lane, redrive);

-- For heartbeats, which look only for events to redrive, among all that are parked.
CREATE INDEX parked_events_to_redrive ON parked_events (subscription, parked_at) WHERE redrive = 1;
CREATE INDEX parked_events_by_redrive_time ON parked_events (subscription, redrive_at) WHERE redrive_at IS NOT NULL;

-- Parked events that were discarded: they will not be handled.
CREATE TABLE discarded_events (
    subscription TEXT    NOT NULL REFERENCES subscriptions (name) ON DELETE CASCADE,
    position     INTEGER NOT NULL REFERENCES events (position),
    failure      TEXT,
    attempts     INTEGER NOT NULL,
    parked_at    INTEGER NOT NULL,
    discarded_at INTEGER NOT NULL,
    discarded_by TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    PRIMARY KEY (subscription, position)
) STRICT, WITHOUT ROWID;

INSERT INTO evercore_migrations (version, description) VALUES (2, 'subscriptions');
