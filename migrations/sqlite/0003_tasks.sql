-- Creates the tables of tasks. Times are integer microseconds since the Unix epoch, UTC.

-- The tasks that wait or are claimed.
CREATE TABLE tasks (
    number         INTEGER PRIMARY KEY,
    -- A UUID of version 7.
    id             BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    queue          TEXT    NOT NULL CHECK (queue <> ''),
    key            TEXT    CHECK (key <> ''),
    -- 0 high, 1 normal, 2 low.
    priority       INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
    -- The time before which no worker claims it: for a claimed one, the end of its lease.
    due            INTEGER NOT NULL,
    -- The lease is held by its token, not by the owner's name.
    token          INTEGER,
    owner          TEXT,
    attempts       INTEGER NOT NULL DEFAULT 0,
    failure        TEXT,
    task_type      TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    -- As in `events`.
    codec          INTEGER NOT NULL,
    payload        BLOB    NOT NULL,
    correlation_id TEXT,
    causation_id   TEXT,
    metadata       TEXT,
    enqueued_at    INTEGER NOT NULL,
    CHECK ((token IS NULL) = (owner IS NULL))
) STRICT;

CREATE INDEX tasks_by_due ON tasks (queue, priority, due, id);

CREATE UNIQUE INDEX tasks_by_key ON tasks (queue, key) WHERE key IS NOT NULL;

-- The tasks that have failed for good, and those that were discarded.
CREATE TABLE ended_tasks (
    id             BLOB    NOT NULL PRIMARY KEY,
    queue          TEXT    NOT NULL,
    key            TEXT,
    priority       INTEGER NOT NULL,
    due            INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    failure        TEXT,
    task_type      TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    codec          INTEGER NOT NULL,
    payload        BLOB    NOT NULL,
    correlation_id TEXT,
    causation_id   TEXT,
    metadata       TEXT,
    enqueued_at    INTEGER NOT NULL,
    ended_at       INTEGER NOT NULL,
    -- The reason for which it was discarded; NULL for a dead one.
    reason         TEXT
) STRICT;

CREATE INDEX ended_tasks_by_queue ON ended_tasks (queue, reason IS NULL, id);

CREATE TABLE paused_queues (
    queue TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- One row: the last token that was given to a lease. No token is given twice.
CREATE TABLE task_tokens (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL
) STRICT;

INSERT INTO task_tokens (only_row, last) VALUES (1, 0);

-- The outcomes of commands, each written by the commit that it is the outcome of.
CREATE TABLE command_log (
    -- That of the command's task.
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    commit_id      BLOB    NOT NULL,
    command        TEXT    NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   INTEGER,
    -- The reason; NULL for a command that has landed.
    rejection      TEXT,
    principal      TEXT,
    correlation_id TEXT,
    causation_id   TEXT,
    sent_at        INTEGER NOT NULL,
    ended_at       INTEGER NOT NULL,
    -- The duration of the last attempt in microseconds.
    took           INTEGER NOT NULL
) STRICT;

CREATE INDEX command_log_by_time ON command_log (ended_at, id);

CREATE INDEX command_log_by_correlation ON command_log (correlation_id, ended_at, id) WHERE correlation_id IS NOT NULL;

CREATE INDEX command_log_by_aggregate ON command_log (aggregate_id, ended_at, id) WHERE aggregate_id IS NOT NULL;

CREATE INDEX command_log_by_command ON command_log (command, ended_at, id);

CREATE INDEX command_log_of_rejected ON command_log (ended_at, id) WHERE rejection IS NOT NULL;

INSERT INTO evercore_migrations (version, description) VALUES (3, 'tasks');
