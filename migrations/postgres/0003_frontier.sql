-- Computes the frontier: how far the log can be read without skipping events that are still on their way.
--
-- Positions are drawn before they are committed, so a higher one may become visible first. A writer announces a floor,
-- the last position drawn before its own, as a shared advisory lock that its transaction holds to its end
-- (`announce_floor`). A reader reads the last position drawn, and then the lowest floor that is held. The smaller of
-- the two is the frontier: no event will appear at or below it any more, because:
--
--   * A writer whose floor is not seen has either ended, and then its events are visible to a later statement, because
--     locks are released after the commit is visible; or it will announce a floor after the reader looked, and then
--     draw positions above the last one that the reader read first.
--   * The events are read in a later statement. In the same one, their snapshot would be older than the look at the
--     locks, and skip events.
--
-- Prepared transactions hold their locks without a process, so no query here filters by process. The locks of a standby
-- are not those of its primary, so a standby refuses. The frontier is computed each time and never cached: after a
-- crash, positions that were drawn and not committed are drawn again.
--
-- `drawn` is the last position drawn by any transaction: if it is higher, a transaction holds the frontier back.
CREATE FUNCTION evercore.frontier(OUT frontier bigint, OUT drawn bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lowest bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the frontier of a standby is not known' USING ERRCODE = 'EV001';
    END IF;

    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO drawn
    FROM evercore.event_positions s;

    SELECT min(f.floor) INTO lowest FROM evercore.floors(drawn) AS f;

    frontier := least(drawn, lowest);
END
$$;

-- Returns the floors that are held, and their holders. A lock has room for the low 32 bits of a floor; the floor is the
-- number nearest to `last` that has these bits, so it may lie up to 2^31 positions behind.
--
-- STABLE, so that the server inlines it into the calling statement. A volatile function is planned for each call, which
-- takes longer than the look at the locks.
CREATE FUNCTION evercore.floors(last bigint)
RETURNS TABLE (floor bigint, pid integer, virtual_transaction text)
LANGUAGE sql STABLE AS $$
    SELECT
        last + (l.objid::bigint - last)::bit(32)::integer,
        l.pid,
        l.virtualtransaction
    FROM pg_locks l
    WHERE l.locktype = 'advisory'
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.classid = 'evercore.events'::regclass::oid
        AND l.objsubid = 2
        AND l.mode = 'ShareLock'
$$;

-- Reads events by their tags: for each atom of a request, the first `most` events that match it, after one position and
-- up to another; it may leave out those after the first `most` of the request. Reads all events that are visible; the
-- client puts them in order and leaves out those that several atoms have found. An atom has one type, the number of one
-- of its tags, those of the others as a text like `{1,2}`, and the texts of all.
--
-- One row has no position, but the frontier, in the place of the aggregate's id: looked up before, unless it is
-- given, and moved back to an event that is visible.
CREATE FUNCTION evercore.read_tagged(
    known_frontier bigint,
    request_afters bigint[],
    request_ends bigint[],
    request_mosts bigint[],
    atom_requests integer[],
    atom_types integer[],
    atom_aggregates text[],
    atom_events text[],
    atom_numbers bigint[],
    atom_others text[],
    atom_tags text[]
)
RETURNS TABLE (
    "position" bigint, aggregate_id bigint, sequence bigint, event_time timestamptz, recorded_at timestamptz,
    event_type_id integer, version integer, codec smallint, payload bytea, reference text, correlation_id text,
    causation_id text, metadata text, tags text, request integer
)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    -- The number of atoms beyond one for each request.
    few CONSTANT integer := 4;

    clear_to bigint := known_frontier;
    types integer[] := atom_types;
    found_requests integer[];
    found_atoms integer[];
    found_positions bigint[];
    read bigint;
    is_read boolean := false;
BEGIN
    IF clear_to IS NULL THEN
        -- At other isolation levels, the events are read in the snapshot of the call, which is older than the look.
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'events are read for a decision in READ COMMITTED only, not in %',
                upper(current_setting('transaction_isolation'))
                USING ERRCODE = 'EV002',
                HINT = 'Reset default_transaction_isolation for the role or the database.';
        END IF;
        SELECT f.frontier INTO clear_to FROM evercore.frontier() f;
    END IF;
    IF array_position(types, NULL) IS NOT NULL THEN
        types := evercore.stored_types(atom_types, atom_aggregates, atom_events);
    END IF;

    -- In later statements, whose snapshots have the events up to the frontier.

    -- Each atom may find as many events as its request wants. If there are many atoms, only the first events that any of
    -- them finds are read: the index alone says which they are, unless two tags have the same number. For a few atoms,
    -- this takes longer than reading events in vain.
    IF cardinality(atom_numbers) > cardinality(request_mosts) + few THEN
        SELECT array_agg(found.request), array_agg(found.atom), array_agg(found.position)
        INTO found_requests, found_atoms, found_positions
        FROM (
            SELECT
                a.request, a.n::integer AS atom, f.position,
                dense_rank() OVER (PARTITION BY a.request ORDER BY f.position) AS place
            FROM unnest(atom_requests, types, atom_numbers, atom_others)
                WITH ORDINALITY AS a(request, type, number, others, n)
            CROSS JOIN LATERAL (
                SELECT t.position
                FROM evercore.event_tags t
                WHERE t.tag = a.number
                    AND t.event_type_id = a.type
                    AND t.position > request_afters[a.request]
                    AND t.position <= coalesce(request_ends[a.request], 9223372036854775807)
                ORDER BY t.position
                LIMIT request_mosts[a.request]
            ) AS f
            WHERE a.others IS NULL
        ) AS found
        WHERE found.place <= request_mosts[found.request];

        RETURN QUERY
        SELECT
            e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version, e.codec,
            e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags, f.request
        FROM unnest(found_requests, found_atoms, found_positions) AS f(request, atom, position)
        JOIN evercore.events e ON e.position = f.position
        WHERE strpos(E'\n' || e.tags || E'\n' COLLATE "C", E'\n' || atom_tags[f.atom] || E'\n') > 0;
        GET DIAGNOSTICS read = ROW_COUNT;
        -- If an event had another tag than its number said, there may be too few. Then all are read as below; the client
        -- leaves out what it has twice.
        is_read := read = coalesce(cardinality(found_positions), 0);
    END IF;

    RETURN QUERY
    SELECT
        NULL::bigint, coalesce((
            SELECT e.position FROM evercore.events e WHERE e.position <= clear_to ORDER BY e.position DESC LIMIT 1
        ), 0), NULL::bigint, NULL::timestamptz, NULL::timestamptz, NULL::integer, NULL::integer, NULL::smallint,
        NULL::bytea, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::integer
    UNION ALL
    SELECT
        e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version, e.codec,
        e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags, a.request
    FROM unnest(atom_requests, types, atom_numbers, atom_others, atom_tags)
        AS a(request, type, number, others, tags)
    CROSS JOIN LATERAL (
        SELECT s.*
        FROM evercore.event_tags t
        JOIN evercore.events s ON s.position = t.position
        WHERE t.tag = a.number
            AND t.event_type_id = a.type
            AND t.position > request_afters[a.request]
            AND t.position <= coalesce(request_ends[a.request], 9223372036854775807)
            -- The atom has one tag. A look for its text costs less than arrays.
            AND strpos(E'\n' || s.tags || E'\n' COLLATE "C", E'\n' || a.tags || E'\n') > 0
        ORDER BY t.position
        LIMIT request_mosts[a.request]
    ) AS e
    WHERE a.others IS NULL AND NOT is_read;

    -- An event with several tags is in the lists of all of them. Going forward in each list to the candidate of another
    -- one passes over all that is missing there, so the shortest list decides how far it is.
    IF cardinality(array_remove(atom_others, NULL)) > 0 THEN
        RETURN QUERY
        SELECT
            e.position, e.aggregate_id, e.sequence, e.event_time, e.recorded_at, e.event_type_id, e.version, e.codec,
            e.payload, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags, a.request
        FROM (
            SELECT b.request, b.type, array_prepend(b.number, b.others::bigint[]), string_to_array(b.tags, E'\n')
            FROM unnest(atom_requests, types, atom_numbers, atom_others, atom_tags)
                AS b(request, type, number, others, tags)
            WHERE b.others IS NOT NULL
            OFFSET 0
        ) AS a(request, type, numbers, tags)
        CROSS JOIN LATERAL (
            -- `candidate` is in the last `lists` lists that were looked at. A hit is in all of them.
            WITH RECURSIVE steps AS (
                SELECT
                    0 AS list, 0 AS lists, request_afters[a.request] + 1 AS candidate, NULL::bigint AS hit, 0 AS hits
                UNION ALL
                SELECT
                    (s.list + 1) % cardinality(a.numbers),
                    CASE WHEN j.is_in_all THEN 0 ELSE j.lists END,
                    CASE WHEN j.is_in_all THEN j.position + 1 ELSE j.position END,
                    CASE WHEN j.is_hit THEN j.position END,
                    s.hits + j.is_hit::integer
                FROM steps s
                CROSS JOIN LATERAL (
                    SELECT t.position
                    FROM evercore.event_tags t
                    WHERE t.tag = a.numbers[s.list + 1]
                        AND t.event_type_id = a.type
                        AND t.position >= s.candidate
                        AND t.position <= coalesce(request_ends[a.request], 9223372036854775807)
                    ORDER BY t.position
                    LIMIT 1
                ) AS n
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN s.lists > 0 AND n.position = s.candidate THEN s.lists + 1 ELSE 1 END AS lists OFFSET 0
                ) AS l
                CROSS JOIN LATERAL (
                    SELECT
                        n.position,
                        l.lists,
                        l.lists = cardinality(a.numbers) AS is_in_all,
                        CASE WHEN l.lists = cardinality(a.numbers) THEN (
                            SELECT string_to_array(e.tags, E'\n') @> a.tags
                            FROM evercore.events e
                            WHERE e.position = n.position
                        ) ELSE false END AS is_hit
                    OFFSET 0
                ) AS j
                WHERE s.hits < request_mosts[a.request]
            )
            SELECT s.hit FROM steps s WHERE s.hit IS NOT NULL
        ) AS found
        JOIN evercore.events e ON e.position = found.hit;
    END IF;
END
$$;

-- Returns the number under which changes of the declarations exclude each other, and readers of them.
CREATE FUNCTION evercore.declaring_lock() RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT hashtextextended('declarations', 'evercore.event_type_tags'::regclass::oid::bigint)
$$;

-- Reads the version of the declarations, in a first row without a name, the tags, and the names of unique values, which
-- have no event. The state of a name is 2 if all values are claimed, and `done` is the id up to which they are. A change
-- of the declarations is not visible before its transaction ends, but its version is, so readers wait for the end.
CREATE FUNCTION evercore.read_declared()
RETURNS TABLE (aggregate text, event text, name text, state smallint, done bigint)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock_shared(evercore.declaring_lock());
    -- In a later statement, whose snapshot has what the lock was waited for.
    RETURN QUERY
    SELECT NULL::text, NULL::text, NULL::text, NULL::smallint, evercore.declared_version()
    UNION ALL
    SELECT a.name, t.name, d.name, d.state, d.done
    FROM evercore.event_type_tags d
    JOIN evercore.event_types t ON t.id = d.event_type_id
    JOIN evercore.aggregate_types a ON a.id = t.aggregate_type_id
    UNION ALL
    SELECT u.aggregate_type, NULL, u.name, CASE WHEN u.is_complete THEN 2 ELSE 0 END::smallint, u.claimed_up_to
    FROM evercore.unique_names u;
END
$$;

-- Stores names of unique values that are not stored yet, and a new version if there are any. A name is complete if no
-- aggregate of its type is stored, and none is on its way: an older program may store one until the version is new.
CREATE FUNCTION evercore.declare_unique(aggregates text[], names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    is_appending boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(evercore.declaring_lock());
    IF NOT EXISTS (
        SELECT FROM unnest(aggregates, names) AS given(aggregate, name)
        WHERE NOT EXISTS (
            SELECT FROM evercore.unique_names u
            WHERE u.aggregate_type = given.aggregate AND u.name = given.name
        )
    ) THEN
        RETURN;
    END IF;
    PERFORM nextval('evercore.declarations');
    is_appending := EXISTS (SELECT FROM evercore.floors(0));

    -- In a later statement, which sees the aggregates of commits that have ended before the look at the floors. A commit
    -- on its way is of no type that is not stored: a type is stored before the commit is sent.
    INSERT INTO evercore.unique_names (aggregate_type, name, is_complete)
    SELECT given.aggregate, given.name, NOT EXISTS (
        SELECT
        FROM evercore.aggregate_types t
        WHERE t.name = given.aggregate
            AND (is_appending OR EXISTS (SELECT FROM evercore.aggregates a WHERE a.aggregate_type_id = t.id))
    )
    FROM unnest(aggregates, names) AS given(aggregate, name)
    ON CONFLICT (aggregate_type, name) DO NOTHING;
END
$$;

-- Stores declarations of tags and a new version. A type that is stored here for the first time has no events: no commit knows
-- its number before this transaction ends, and one that learns it later names a version from before.
CREATE FUNCTION evercore.declare_tags(aggregates text[], events text[], names text[], states smallint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    added integer[];
BEGIN
    PERFORM pg_advisory_xact_lock(evercore.declaring_lock());
    PERFORM nextval('evercore.declarations');

    INSERT INTO evercore.aggregate_types (name)
    SELECT DISTINCT given.name FROM unnest(aggregates) AS given(name) ORDER BY given.name
    ON CONFLICT (name) DO NOTHING;

    WITH inserted AS (
        INSERT INTO evercore.event_types (aggregate_type_id, name)
        SELECT DISTINCT a.id, given.event
        FROM unnest(aggregates, events) AS given(aggregate, event)
        JOIN evercore.aggregate_types a ON a.name = given.aggregate
        ORDER BY a.id, given.event
        ON CONFLICT (aggregate_type_id, name) DO NOTHING
        RETURNING id
    )
    SELECT coalesce(array_agg(i.id), '{}') INTO added FROM inserted i;

    -- In a later statement, which sees types that others have stored meanwhile.
    INSERT INTO evercore.event_type_tags (event_type_id, name, state)
    SELECT t.id, given.name, CASE WHEN given.state = 0 AND t.id = ANY (added) THEN 2 ELSE given.state END
    FROM unnest(aggregates, events, names, states) AS given(aggregate, event, name, state)
    JOIN evercore.aggregate_types a ON a.name = given.aggregate
    JOIN evercore.event_types t ON t.aggregate_type_id = a.id AND t.name = given.event
    ORDER BY t.id, given.name
    ON CONFLICT (event_type_id, name) DO UPDATE SET state = 3 WHERE excluded.state = 3;
END
$$;

-- Begins to give declared tags to older events, with a new version. Commits that have named an older one may be on their
-- way afterwards; each holds its floor.
CREATE FUNCTION evercore.begin_tagging(aggregates text[], events text[], names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(evercore.declaring_lock());
    PERFORM nextval('evercore.declarations');

    UPDATE evercore.event_type_tags d
    SET state = 1
    FROM unnest(aggregates, events, names) AS given(aggregate, event, name)
    JOIN evercore.aggregate_types a ON a.name = given.aggregate
    JOIN evercore.event_types t ON t.aggregate_type_id = a.id AND t.name = given.event
    WHERE d.event_type_id = t.id AND d.name = given.name AND d.state = 0;
END
$$;

-- Gives events tags, and records that all events of some types have some tags up to a position. Does nothing and returns
-- false if an event has other tags than expected. `numbers` has the numbers of the added tags of each event, as a text
-- like `{1,2}`.
CREATE FUNCTION evercore.add_tags(
    positions bigint[],
    befores text[],
    afters text[],
    numbers text[],
    aggregates text[],
    events text[],
    names text[],
    up_to bigint,
    is_last boolean
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    -- Only this function changes the tags of an event, one call at a time.
    PERFORM pg_advisory_xact_lock(evercore.declaring_lock());

    IF EXISTS (
        SELECT
        FROM unnest(positions, befores) AS given(position, before)
        WHERE NOT EXISTS (
            SELECT
            FROM evercore.events e
            WHERE e.position = given.position AND e.tags IS NOT DISTINCT FROM given.before
        )
    ) THEN
        RETURN false;
    END IF;

    UPDATE evercore.events e
    SET tags = given.after
    FROM unnest(positions, afters) AS given(position, after)
    WHERE e.position = given.position;

    INSERT INTO evercore.event_tags (tag, event_type_id, position)
    SELECT t.number, e.event_type_id, e.position
    FROM unnest(positions, numbers) AS given(position, numbers)
    JOIN evercore.events e ON e.position = given.position
    CROSS JOIN LATERAL unnest(given.numbers::bigint[]) AS t(number)
    ORDER BY t.number, e.event_type_id, e.position
    ON CONFLICT (tag, event_type_id, position) DO NOTHING;

    UPDATE evercore.event_type_tags d
    SET state = CASE WHEN is_last THEN 2 ELSE 1 END, done = greatest(d.done, up_to)
    FROM unnest(aggregates, events, names) AS given(aggregate, event, name)
    JOIN evercore.aggregate_types a ON a.name = given.aggregate
    JOIN evercore.event_types t ON t.aggregate_type_id = a.id AND t.name = given.event
    WHERE d.event_type_id = t.id AND d.name = given.name AND d.state = 1;

    RETURN true;
END
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (3, 'frontier');
