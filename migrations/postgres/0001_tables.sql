-- Creates the tables of a store. `evercore.` stands for the schema that the store is configured with.

-- `CREATE SCHEMA IF NOT EXISTS` needs the right to create a schema even if it exists.
DO $$
BEGIN
    IF to_regnamespace('evercore') IS NULL THEN
        CREATE SCHEMA evercore;
    END IF;
END
$$;

-- Each migration records itself here, even when it is run by hand.
CREATE TABLE evercore.evercore_migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE evercore.aggregate_types (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 255)
);

CREATE TABLE evercore.event_types (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aggregate_type_id integer NOT NULL REFERENCES evercore.aggregate_types,
    name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    UNIQUE (aggregate_type_id, name)
);

-- The following tables are written by every commit. They have no CHECK and no foreign key: the server would parse each
-- CHECK and look up each foreign key again in every statement, which is half of the cost of a commit. Their only writer
-- is `append`, and its values were checked by the Rust types that carry them.

CREATE TABLE evercore.aggregates (
    id bigint PRIMARY KEY,
    aggregate_type_id integer NOT NULL,
    natural_key text COLLATE "C"
);

CREATE UNIQUE INDEX aggregates_by_key ON evercore.aggregates (aggregate_type_id, natural_key)
    WHERE natural_key IS NOT NULL;

-- The last reserved aggregate id, in one row.
CREATE TABLE evercore.aggregate_ids (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    last bigint NOT NULL CHECK (last >= 0)
);

INSERT INTO evercore.aggregate_ids (last) VALUES (0);

-- CACHE 1, so that a session draws a position only when it inserts: the frontier relies on it.
CREATE SEQUENCE evercore.event_positions AS bigint CACHE 1;

-- Columns of fixed length come first: the place of a column after the payload must be computed for each row.
CREATE TABLE evercore.events (
    position bigint NOT NULL DEFAULT nextval('evercore.event_positions'),
    aggregate_id bigint NOT NULL,
    sequence bigint NOT NULL,
    event_time timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    event_type_id integer NOT NULL,
    version integer NOT NULL,
    -- 1 JSON, 2 CBOR, 3 MessagePack, 4 Protocol Buffers; plus 100 if zstd compressed the payload; plus 1000 if its last
    -- 32 bytes are the event's hash.
    codec smallint NOT NULL,
    payload bytea NOT NULL,
    reference text,
    correlation_id text,
    causation_id text,
    metadata text,
    -- `name:value`, sorted and separated by line breaks.
    tags text,
    PRIMARY KEY (position),
    UNIQUE (aggregate_id, sequence)
);

-- Finds events by their correlation id. Events without one are not in the index, and cost nothing.
CREATE INDEX events_by_correlation ON evercore.events (correlation_id, position)
    WHERE correlation_id IS NOT NULL;

-- Finds events by their tags. A tag is a number: the first eight bytes of the SHA-256 of its text, in big endian. Two
-- tags may have the same number, so readers compare the texts as well.
CREATE TABLE evercore.event_tags (
    tag bigint NOT NULL,
    event_type_id integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, event_type_id, position)
);

-- The tags that programs declare for event types. The state is 0 if it is declared only, 1 while older events are given
-- the tag, 2 if all events have it, and 3 if new events do not get it any more. Events up to `done` have it.
CREATE TABLE evercore.event_type_tags (
    event_type_id integer NOT NULL REFERENCES evercore.event_types,
    name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    done bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
    PRIMARY KEY (event_type_id, name)
);

-- The version of the declared tags and unique values, which every commit names. A sequence, since all sessions see its value at once, and
-- reading it needs no statement. CACHE 1, so that each version is the last value.
CREATE SEQUENCE evercore.declarations AS bigint CACHE 1;

-- The unique values of aggregates: of all aggregates of a type, one has a value at a time.
CREATE TABLE evercore.unique_values (
    aggregate_type_id integer NOT NULL,
    aggregate_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (aggregate_type_id, name, value)
);

-- Finds the values of an aggregate, to verify them.
CREATE INDEX unique_values_by_aggregate ON evercore.unique_values (aggregate_id);

-- The names of unique values that programs have declared. The aggregate type need not be stored yet.
CREATE TABLE evercore.unique_names (
    aggregate_type text COLLATE "C" NOT NULL CHECK (aggregate_type <> ''),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    -- Up to this id, the values of aggregates that were stored before are claimed.
    claimed_up_to bigint NOT NULL DEFAULT 0,
    -- Whether all values are claimed.
    is_complete boolean NOT NULL,
    PRIMARY KEY (aggregate_type, name)
);

-- The newest snapshot of each aggregate.
CREATE TABLE evercore.snapshots (
    aggregate_id bigint PRIMARY KEY,
    sequence bigint NOT NULL,
    fingerprint bigint NOT NULL,
    state bytea NOT NULL
);

-- Every commit that landed, and those that were given up before they arrived.
CREATE TABLE evercore.commits (
    id uuid PRIMARY KEY,
    landed boolean NOT NULL,
    first_position bigint,
    last_position bigint,
    -- All positions, if events of other commits lie between the first and the last.
    positions bigint[],
    recorded_at timestamptz NOT NULL,
    -- Of all commits with one key, only one lands. `command` and `result` hold its command and its result, encoded by
    -- the core.
    idempotency_key text COLLATE "C",
    command text,
    result text
);

CREATE UNIQUE INDEX commits_by_idempotency_key ON evercore.commits (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- Returns a text as JSON, or NULL if the server cannot hold it: not UTF-8, a NUL in a string, half of a surrogate pair,
-- a number beyond `numeric`.
CREATE FUNCTION evercore.as_json(bytes bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8')::jsonb;
EXCEPTION
    WHEN OTHERS THEN
        RETURN NULL;
END
$$;

-- Shows all events in readable form, whatever is in a row. A payload that the server cannot show as JSON is in
-- `encoded_payload`, unchanged; metadata of this kind are a JSON string.
CREATE VIEW evercore.event_log AS
SELECT
    e.position,
    at.name AS aggregate_type,
    e.aggregate_id,
    a.natural_key,
    e.sequence,
    et.name AS event_type,
    e.version,
    CASE e.codec % 100 WHEN 1 THEN 'json' WHEN 2 THEN 'cbor' WHEN 3 THEN 'messagepack' WHEN 4 THEN 'protobuf' END
        || CASE WHEN e.codec % 1000 > 100 THEN ' zstd' ELSE '' END AS codec,
    j.payload,
    CASE WHEN j.payload IS NULL THEN p.payload END AS encoded_payload,
    CASE WHEN e.codec > 1000 THEN encode(substr(e.payload, octet_length(e.payload) - 31), 'hex') END AS hash,
    e.event_time,
    e.recorded_at,
    e.reference,
    e.correlation_id,
    e.causation_id,
    coalesce(evercore.as_json(convert_to(e.metadata, 'UTF8')), to_jsonb(e.metadata)) AS metadata,
    string_to_array(e.tags, E'\n') AS tags
FROM evercore.events e
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN e.codec > 1000 THEN substr(e.payload, 1, greatest(octet_length(e.payload) - 32, 0))
            ELSE e.payload
        END AS payload
) p
-- OFFSET 0 makes the server read a payload once and not for each column.
CROSS JOIN LATERAL (
    SELECT CASE WHEN e.codec % 1000 = 1 THEN evercore.as_json(p.payload) END AS payload OFFSET 0
) j
LEFT JOIN evercore.event_types et ON et.id = e.event_type_id
LEFT JOIN evercore.aggregate_types at ON at.id = et.aggregate_type_id
LEFT JOIN evercore.aggregates a ON a.id = e.aggregate_id;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (1, 'tables');
