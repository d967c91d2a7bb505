-- The minimal tables of a program without a framework.
CREATE TABLE raw_events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aggregate_id bigint NOT NULL,
    sequence bigint NOT NULL,
    event_type text NOT NULL,
    payload bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (aggregate_id, sequence)
);

CREATE TABLE raw_snapshots (
    aggregate_id bigint PRIMARY KEY,
    sequence bigint NOT NULL,
    state bytea NOT NULL
);
