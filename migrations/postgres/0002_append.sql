-- Stores commits in one round trip. `append` takes a group of commits and returns the outcome of each; `append_one`
-- takes a common kind of commit, to one aggregate, and stores it or does nothing.
--
-- Correctness depends on the order of the steps:
--   1. rows are locked in id order, then kinds of keys, then natural and idempotency keys and unique values, each in the
--      order of their hashes, and then tags in the order of their numbers, so that commits cannot deadlock;
--   2. preconditions are read in statements after the locks, so with a snapshot that sees the commits of previous
--      holders;
--   3. the floor is announced before the first position is drawn, so that no reader passes an event that is still on
--      its way;
--   4. the version of the declarations is compared after the floor was announced. A new version is seen by all
--      sessions at once, so a commit that passes with an older one has announced its floor before the new version: once
--      all floors that are held at a later moment have been given up, no such commit is on its way.
--
-- `append` can refuse single commits of a group and store the others. No two commits of a group name the same
-- aggregate, natural key, idempotency key or unique value.

-- The outcome of a commit. The codes are those of `verdict.rs`.
CREATE TYPE evercore.verdict AS (
    commit_index integer,
    code smallint,
    aggregate_id bigint,
    sequence bigint,
    name text,
    first_position bigint,
    last_position bigint,
    positions bigint[]
);

-- Announces the position after which a writer may still draw its own, as a lock that `frontier` looks at. The sequence
-- has no last value until it is first drawn from.
CREATE FUNCTION evercore.announce_floor() RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(
        'evercore.events'::regclass::oid::bigint::bit(32)::integer,
        coalesce(pg_sequence_last_value('evercore.event_positions'), 0)::bit(32)::integer
    ) IS NOT NULL
$$;

-- Returns the version of the declarations. The sequence has no last value until it is first drawn from.
CREATE FUNCTION evercore.declared_version() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(pg_sequence_last_value('evercore.declarations'), 0)
$$;

-- Returns the number under which a natural key or an idempotency key is locked; with the kind 'kind', the number under
-- which all keys of a kind are locked.
CREATE FUNCTION evercore.key_hash(kind text, key text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(kind || ':' || key, 'evercore.aggregates'::regclass::oid::bigint)
$$;

-- Returns the numbers of event types. A type has a number, or else names, under which it may have been stored since the
-- client looked; one that is not stored has no events.
CREATE FUNCTION evercore.stored_types(types integer[], aggregates text[], events text[]) RETURNS integer[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(
        coalesce(named.type, (
            SELECT et.id
            FROM evercore.aggregate_types at
            JOIN evercore.event_types et ON et.aggregate_type_id = at.id
            WHERE at.name = named.aggregate AND et.name = named.event
        ))
        ORDER BY named.n
    )
    FROM unnest(types, aggregates, events) WITH ORDINALITY AS named(type, aggregate, event, n)
$$;

-- Returns the conditions that do not hold, counted from 1: those whose number of matching events beyond a position is
-- not the one that was seen. Each atom belongs to a condition, and has one type, the number of one of its tags, and the
-- texts of all. NULL if all hold.
--
-- VOLATILE, so that the statement sees what was committed before the locks were granted.
CREATE FUNCTION evercore.unmet_conditions(
    beyonds bigint[],
    seens bigint[],
    atom_conditions integer[],
    atom_types integer[],
    atom_aggregates text[],
    atom_events text[],
    atom_numbers bigint[],
    atom_tags text[]
) RETURNS integer[]
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    types integer[] := atom_types;
BEGIN
    IF array_position(types, NULL) IS NOT NULL THEN
        types := evercore.stored_types(atom_types, atom_aggregates, atom_events);
    END IF;
    RETURN (
        SELECT array_agg(unmet.condition)
        FROM (
            SELECT told.condition
            FROM (
                SELECT a.condition, found.position
                FROM unnest(atom_conditions, types, atom_numbers, atom_tags) AS a(condition, type, number, tags)
                CROSS JOIN LATERAL (
                    SELECT t.position
                    FROM evercore.event_tags t
                    WHERE t.tag = a.number
                        AND t.event_type_id = a.type
                        AND t.position > beyonds[a.condition]
                        AND (
                            SELECT string_to_array(e.tags, E'\n') @> string_to_array(a.tags, E'\n')
                            FROM evercore.events e
                            WHERE e.position = t.position
                        )
                    -- Looked up for each atom, and not joined.
                    OFFSET 0
                ) AS found
                UNION ALL
                -- Some conditions match nothing.
                SELECT c.n, NULL FROM generate_series(1, cardinality(seens)) AS c(n)
            ) AS told(condition, position)
            GROUP BY told.condition
            HAVING count(DISTINCT told.position) <> seens[told.condition]
        ) AS unmet
    );
END
$$;

-- Optional columns of commits and events are empty if no row has a value. Types, versions, codecs and times of events
-- have a single value if it is the same for all. An event's sequence counts on from the sequence that its commit
-- expects; if the commit expects none, it is negative, and counts from the last stored sequence. The numbers of an event's
-- tags are a text like `{1,2}`.
CREATE FUNCTION evercore.append(
    commit_ids uuid[],
    commit_times timestamptz[],
    commit_keys text[],
    commit_commands text[],
    commit_results text[],
    write_commits integer[],
    write_ids bigint[],
    write_types integer[],
    write_preconditions smallint[],
    write_sequences bigint[],
    write_keys text[],
    write_key_changes smallint[],
    write_new_keys text[],
    event_commits integer[],
    event_aggregates bigint[],
    event_sequences bigint[],
    event_type_ids integer[],
    event_versions integer[],
    event_codecs smallint[],
    event_payloads bytea[],
    event_times timestamptz[],
    event_references text[],
    event_correlations text[],
    event_causations text[],
    event_metadata text[],
    event_tags text[],
    event_tag_numbers text[],
    snapshot_commits integer[],
    snapshot_aggregates bigint[],
    snapshot_sequences bigint[],
    snapshot_fingerprints bigint[],
    snapshot_states bytea[],
    unique_commits integer[],
    unique_aggregates bigint[],
    unique_types integer[],
    unique_names text[],
    unique_texts text[],
    unique_claims boolean[],
    lock_numbers bigint[],
    lock_exclusive boolean[],
    condition_commits integer[],
    condition_indexes integer[],
    condition_beyonds bigint[],
    condition_seens bigint[],
    atom_conditions integer[],
    atom_types integer[],
    atom_aggregates text[],
    atom_events text[],
    atom_numbers bigint[],
    atom_tags text[],
    done_commits integer[],
    done_indexes integer[],
    done_ids uuid[],
    done_tokens bigint[],
    task_commits integer[],
    task_indexes integer[],
    task_kinds smallint[],
    task_ids uuid[],
    task_queues text[],
    task_keys text[],
    task_times timestamptz[],
    task_waits bigint[],
    task_priorities smallint[],
    task_types text[],
    task_versions integer[],
    task_codecs smallint[],
    task_payloads bytea[],
    task_correlations text[],
    task_causations text[],
    task_metadata text[],
    declared bigint,
    outcomes jsonb
) RETURNS SETOF evercore.verdict
LANGUAGE plpgsql VOLATILE
-- Tables that were never analysed get plans that scan them, and such plans are kept.
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
-- Planning costs more than running, and the server would plan again for each call, because it cannot estimate arrays.
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    -- Preconditions and key changes, numbered as in `verdict.rs`.
    is_new CONSTANT smallint := 0;
    exists_somehow CONSTANT smallint := 1;
    at_sequence CONSTANT smallint := 2;
    unchanged CONSTANT smallint := 3;
    keep_key CONSTANT smallint := 0;
    set_key CONSTANT smallint := 1;
    -- The server has room for a few thousand locks of all sessions together. If a group names more keys than this, all
    -- keys of their kinds are locked instead.
    most_locks CONSTANT integer := 500;

    verdicts evercore.verdict[] := '{}';
    refused integer[];
    has_keys boolean := set_key = ANY (write_key_changes) OR 2 = ANY (write_key_changes);
    -- The client sends an empty array if no commit has a key, and so for tags and conditions.
    is_keyed boolean := cardinality(commit_keys) > 0;
    is_tagged boolean := cardinality(event_tags) > 0;
    has_task_keys boolean := task_keys IS NOT NULL AND EXISTS (SELECT FROM unnest(task_keys) AS k(key) WHERE k.key IS NOT NULL);
    has_tasks boolean := done_ids IS NOT NULL OR task_ids IS NOT NULL;
    has_unique boolean := cardinality(unique_commits) > 0;
    key_kinds text[];
    key_names text[];
    unmet integer[];
    is_announced boolean;
BEGIN
    -- At other isolation levels, statements after the locks see no more than those before.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a commit is judged in READ COMMITTED only, not in %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'EV002',
            HINT = 'Reset default_transaction_isolation for the role or the database.';
    END IF;

    PERFORM a.id
    FROM evercore.aggregates a
    WHERE a.id = ANY (write_ids)
    ORDER BY a.id
    FOR NO KEY UPDATE;

    IF has_keys OR is_keyed OR has_unique OR has_task_keys THEN
        SELECT array_agg(named.kind), array_agg(named.key) INTO key_kinds, key_names
        FROM (
            SELECT w.type::text, w.key
            FROM unnest(write_types, write_new_keys) AS w(type, key)
            WHERE w.key IS NOT NULL
            UNION ALL
            SELECT 'idempotency', k.key
            FROM unnest(commit_keys) AS k(key)
            WHERE k.key IS NOT NULL
            UNION ALL
            SELECT 'task ' || t.queue, t.key
            FROM unnest(task_queues, task_keys) AS t(queue, key)
            WHERE t.key IS NOT NULL
            UNION ALL
            SELECT u.type || ':' || u.name, u.value
            FROM unnest(unique_types, unique_names, unique_texts, unique_claims) AS u(type, name, value, claims)
            WHERE u.claims
        ) AS named(kind, key);

        PERFORM CASE
            WHEN cardinality(key_names) > most_locks THEN pg_advisory_xact_lock(claim.hash)
            ELSE pg_advisory_xact_lock_shared(claim.hash)
        END
        FROM (
            SELECT DISTINCT evercore.key_hash('kind', named.kind) AS hash
            FROM unnest(key_kinds) AS named(kind)
            ORDER BY 1
        ) AS claim;

        IF cardinality(key_names) <= most_locks THEN
            PERFORM pg_advisory_xact_lock(claim.hash)
            FROM (
                SELECT DISTINCT evercore.key_hash(named.kind, named.key) AS hash
                FROM unnest(key_kinds, key_names) AS named(kind, key)
                ORDER BY 1
            ) AS claim;
        END IF;
    END IF;

    -- A condition locks exclusively what it asks for, and an event locks in shared mode everything that it can be found by.
    -- The client has put the locks in order, and few enough of them.
    IF cardinality(lock_numbers) > 0 THEN
        PERFORM CASE
            WHEN l.exclusive THEN pg_advisory_xact_lock(l.number # 'evercore.event_tags'::regclass::oid::bigint)
            ELSE pg_advisory_xact_lock_shared(l.number # 'evercore.event_tags'::regclass::oid::bigint)
        END
        FROM unnest(lock_numbers, lock_exclusive) AS l(number, exclusive);
    END IF;

    -- Commits that are already stored: landed (8) or given up (7).
    IF EXISTS (SELECT FROM evercore.commits known WHERE known.id = ANY (commit_ids)) THEN
        SELECT array_agg(ROW(
            c.n - 1,
            CASE WHEN known.landed THEN 8 ELSE 7 END,
            NULL, NULL, NULL, known.first_position, known.last_position, known.positions
        )::evercore.verdict) INTO verdicts
        FROM unnest(commit_ids) WITH ORDINALITY AS c(id, n)
        JOIN evercore.commits known ON known.id = c.id;
    END IF;

    -- Idempotency keys of other commits that landed (9).
    IF is_keyed THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            c.n - 1, 9, NULL, NULL, NULL, NULL, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM unnest(commit_keys) WITH ORDINALITY AS c(key, n)
        JOIN evercore.commits used ON used.idempotency_key = c.key
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = c.n - 1
        );
    END IF;

    -- Preconditions.
    SELECT verdicts || coalesce(array_agg(ROW(
        failed.commit_index, failed.code, failed.id, failed.actual,
        (SELECT t.name FROM evercore.aggregate_types t WHERE t.id = failed.stored_type), NULL, NULL, NULL
    )::evercore.verdict), '{}') INTO verdicts
    FROM (
        SELECT DISTINCT ON (judged.commit_index) judged.*
        FROM (
            SELECT
                w.commit_index,
                w.n,
                w.id,
                current.sequence AS actual,
                found.type AS stored_type,
                CASE
                    WHEN w.precondition = is_new AND found.id IS NULL THEN 0
                    WHEN w.precondition = is_new THEN 3
                    WHEN found.id IS NULL THEN 4
                    WHEN found.type <> w.type THEN 5
                    WHEN w.precondition = exists_somehow THEN 0
                    WHEN w.sequence <> current.sequence THEN 1
                    WHEN w.precondition = at_sequence THEN 0
                    WHEN w.precondition = unchanged
                        AND found.key IS NOT DISTINCT FROM w.key THEN 0
                    ELSE 2
                END AS code
            FROM unnest(
                write_commits, write_ids, write_types, write_preconditions, write_sequences,
                write_keys
            ) WITH ORDINALITY AS w(commit_index, id, type, precondition, sequence, key, n)
            LEFT JOIN LATERAL (
                SELECT a.id, a.aggregate_type_id AS type, a.natural_key AS key
                FROM evercore.aggregates a
                WHERE a.id = w.id
            ) AS found ON true
            CROSS JOIN LATERAL (
                SELECT coalesce(max(e.sequence), 0) AS sequence
                FROM evercore.events e
                WHERE e.aggregate_id = w.id
            ) AS current
        ) AS judged
        WHERE judged.code <> 0
        ORDER BY judged.commit_index, judged.n
    ) AS failed
    WHERE NOT EXISTS (
        SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = failed.commit_index
    );

    -- Conditions: exactly the events that were seen match (else 10). Before keys and unique values: a decision that knew
    -- too little must be made again, not be told that its key is taken.
    IF cardinality(condition_commits) > 0 THEN
        unmet := evercore.unmet_conditions(
            condition_beyonds, condition_seens, atom_conditions, atom_types, atom_aggregates, atom_events,
            atom_numbers, atom_tags
        );
        IF unmet IS NOT NULL THEN
            SELECT verdicts || coalesce(array_agg(ROW(
                failed.commit_index, 10, NULL, failed.index, NULL, NULL, NULL, NULL
            )::evercore.verdict), '{}') INTO verdicts
            FROM (
                SELECT DISTINCT ON (c.commit_index) c.commit_index, c.index
                FROM unnest(unmet) AS u(n)
                CROSS JOIN LATERAL (SELECT condition_commits[u.n], condition_indexes[u.n]) AS c(commit_index, index)
                ORDER BY c.commit_index, c.index
            ) AS failed
            WHERE NOT EXISTS (
                SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = failed.commit_index
            );
        END IF;
    END IF;

    -- Natural keys: each must be free, or given up by its holder in the same commit (else 6).
    IF has_keys THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            taken.commit_index, 6, taken.id, NULL, taken.new_key, NULL, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM (
            SELECT DISTINCT ON (w.commit_index) w.*
            FROM (
                SELECT
                    u.*,
                    count(*) OVER (PARTITION BY u.commit_index, u.type, u.new_key) AS claims,
                    (
                        SELECT a.id
                        FROM evercore.aggregates a
                        WHERE a.aggregate_type_id = u.type AND a.natural_key = u.new_key
                    ) AS holder
                FROM unnest(
                    write_commits, write_ids, write_types, write_key_changes, write_new_keys
                ) WITH ORDINALITY AS u(commit_index, id, type, key_change, new_key, n)
                WHERE u.key_change = set_key
            ) AS w
            WHERE w.claims > 1
                -- NOT IN looks holders up in a hash table. For a NULL it would scan the whole table.
                OR w.holder IS NOT NULL
                AND w.holder <> w.id
                AND (w.commit_index, w.holder) NOT IN (
                    SELECT other.commit_index, other.id
                    FROM unnest(write_commits, write_ids, write_key_changes)
                        AS other(commit_index, id, key_change)
                    WHERE other.key_change <> keep_key
                )
            ORDER BY w.commit_index, w.n
        ) AS taken
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = taken.commit_index
        );
    END IF;

    -- Unique values: each must be free, or released by its holder in the same commit (else 11, with the holder and the
    -- index of the change in its commit).
    IF has_unique THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            taken.commit_index, 11, taken.holder, taken.index, NULL, NULL, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM (
            SELECT DISTINCT ON (w.commit_index) w.*
            FROM (
                SELECT
                    u.*,
                    u.n - min(u.n) OVER (PARTITION BY u.commit_index) AS index,
                    coalesce(
                        (
                            SELECT v.aggregate_id
                            FROM evercore.unique_values v
                            WHERE v.aggregate_type_id = u.type
                                AND v.name = u.name
                                AND v.value = u.value
                                -- NOT IN looks releases up in a hash table.
                                AND (u.commit_index, v.aggregate_id, u.type, u.name, u.value) NOT IN (
                                    SELECT o.commit_index, o.id, o.type, o.name, o.value
                                    FROM unnest(
                                        unique_commits, unique_aggregates, unique_types, unique_names,
                                        unique_texts, unique_claims
                                    ) AS o(commit_index, id, type, name, value, claims)
                                    WHERE NOT o.claims
                                )
                        ),
                        CASE WHEN u.claims THEN first_value(u.id) OVER (
                            PARTITION BY u.commit_index, u.type, u.name, u.value, u.claims
                            ORDER BY u.n
                        ) END
                    ) AS holder
                FROM unnest(
                    unique_commits, unique_aggregates, unique_types, unique_names, unique_texts,
                    unique_claims
                ) WITH ORDINALITY AS u(commit_index, id, type, name, value, claims, n)
            ) AS w
            WHERE w.claims AND w.holder <> w.id
            ORDER BY w.commit_index, w.n
        ) AS taken
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = taken.commit_index
        );
    END IF;

    -- Tasks: leases that are not held (else 12), and keys that are taken (else 13).
    IF cardinality(done_ids) > 0 OR cardinality(array_remove(task_keys, NULL)) > 0 THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            failed.commit_index, failed.code, NULL, failed.index, NULL, NULL, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM (
            SELECT DISTINCT ON (named.commit_index) named.commit_index, r.code, named.index
            FROM evercore.refused_tasks(
                coalesce(done_ids, '{}'), coalesce(done_tokens, '{}'), coalesce(task_kinds, '{}'),
                coalesce(task_queues, '{}'), coalesce(task_keys, '{}')
            ) AS r
            CROSS JOIN LATERAL (
                SELECT
                    CASE r.code WHEN 12 THEN done_commits[r.n] ELSE task_commits[r.n] END,
                    CASE r.code WHEN 12 THEN done_indexes[r.n] ELSE task_indexes[r.n] END
            ) AS named(commit_index, index)
            ORDER BY named.commit_index, r.code, named.index
        ) AS failed
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = failed.commit_index
        );
    END IF;

    SELECT coalesce(array_agg(v.commit_index), '{}') INTO refused FROM unnest(verdicts) AS v;

    RETURN QUERY SELECT v.* FROM unnest(verdicts) AS v;
    IF cardinality(refused) = cardinality(commit_ids) THEN
        RETURN;
    END IF;

    IF has_keys THEN
        UPDATE evercore.aggregates a
        SET natural_key = NULL
        FROM unnest(write_commits, write_ids, write_key_changes, write_preconditions)
            AS w(commit_index, id, key_change, precondition)
        WHERE a.id = w.id
            AND w.key_change <> keep_key
            AND w.precondition <> is_new
            AND a.natural_key IS NOT NULL
            AND w.commit_index <> ALL (refused);

        UPDATE evercore.aggregates a
        SET natural_key = w.new_key
        FROM unnest(write_commits, write_ids, write_new_keys, write_preconditions)
            AS w(commit_index, id, new_key, precondition)
        WHERE a.id = w.id
            AND w.new_key IS NOT NULL
            AND w.precondition <> is_new
            AND w.commit_index <> ALL (refused);
    END IF;

    IF is_new = ANY (write_preconditions) THEN
        INSERT INTO evercore.aggregates (id, aggregate_type_id, natural_key)
        SELECT w.id, w.type, w.new_key
        FROM unnest(write_commits, write_ids, write_types, write_preconditions, write_new_keys)
            AS w(commit_index, id, type, precondition, new_key)
        WHERE w.precondition = is_new
            AND w.commit_index <> ALL (refused);
    END IF;

    IF has_tasks THEN
        PERFORM evercore.change_tasks(
            refused, done_commits, done_ids, task_commits, task_kinds, task_ids, task_queues, task_keys, task_times,
            task_waits, task_priorities, task_types, task_versions, task_codecs, task_payloads, task_correlations,
            task_causations, task_metadata
        );
    END IF;

    IF outcomes IS NOT NULL THEN
        PERFORM evercore.log_commands(refused, commit_ids, outcomes);
    END IF;

    IF has_unique THEN
        DELETE FROM evercore.unique_values v
        USING unnest(
            unique_commits, unique_aggregates, unique_types, unique_names, unique_texts, unique_claims
        ) AS u(commit_index, id, type, name, value, claims)
        WHERE v.aggregate_type_id = u.type
            AND v.name = u.name
            AND v.value = u.value
            AND v.aggregate_id = u.id
            AND NOT u.claims
            AND u.commit_index <> ALL (refused);

        -- The aggregate may have the value already. A value of another aggregate violates the primary key.
        INSERT INTO evercore.unique_values (aggregate_type_id, aggregate_id, name, value)
        SELECT DISTINCT u.type, u.id, u.name, u.value
        FROM unnest(
            unique_commits, unique_aggregates, unique_types, unique_names, unique_texts, unique_claims
        ) AS u(commit_index, id, type, name, value, claims)
        WHERE u.claims
            AND u.commit_index <> ALL (refused)
            AND NOT EXISTS (
                SELECT FROM evercore.unique_values v
                WHERE v.aggregate_type_id = u.type
                    AND v.name = u.name
                    AND v.value = u.value
                    AND v.aggregate_id = u.id
            );
    END IF;

    is_announced := evercore.announce_floor();
    IF declared <> evercore.declared_version() THEN
        RAISE EXCEPTION 'the declarations have changed' USING ERRCODE = 'EV003';
    END IF;

    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT e.*, nextval('evercore.event_positions') AS position
        FROM (
            SELECT *
            FROM unnest(
                event_commits, event_aggregates, event_sequences, event_type_ids, event_versions,
                event_codecs, event_payloads, event_times, event_references, event_correlations,
                event_causations, event_metadata, event_tags, event_tag_numbers
            ) WITH ORDINALITY AS e(
                commit_index, aggregate_id, sequence, type_id, version, codec, payload, time,
                reference, correlation_id, causation_id, metadata, tags, tag_numbers, n
            )
            WHERE e.commit_index <> ALL (refused)
            -- Positions are drawn in this order.
            ORDER BY e.n
        ) AS e
    ),
    appended AS (
        INSERT INTO evercore.events (
            position, aggregate_id, sequence, event_type_id, version, codec, payload, event_time,
            recorded_at, reference, correlation_id, causation_id, metadata, tags
        )
        SELECT
            g.position,
            g.aggregate_id,
            CASE WHEN g.sequence > 0 THEN g.sequence ELSE (
                SELECT coalesce(max(stored.sequence), 0)
                FROM evercore.events stored
                WHERE stored.aggregate_id = g.aggregate_id
            ) - g.sequence END,
            coalesce(g.type_id, event_type_ids[1]),
            coalesce(g.version, event_versions[1]),
            coalesce(g.codec, event_codecs[1]),
            g.payload,
            coalesce(g.time, event_times[1]),
            commit_times[g.commit_index + 1],
            g.reference,
            g.correlation_id,
            g.causation_id,
            g.metadata,
            g.tags
        FROM given g
    ),
    tagged AS (
        INSERT INTO evercore.event_tags (tag, event_type_id, position)
        SELECT t.number, coalesce(g.type_id, event_type_ids[1]), g.position
        FROM given g
        CROSS JOIN LATERAL unnest(g.tag_numbers::bigint[]) AS t(number)
        WHERE is_tagged
    ),
    spans AS (
        SELECT
            told.commit_index,
            min(told.position) AS first,
            max(told.position) AS last,
            CASE WHEN max(told.position) - min(told.position) >= count(told.position) THEN
                array_agg(told.position ORDER BY told.position) FILTER (WHERE told.position IS NOT NULL)
            END AS positions
        FROM (
            SELECT g.commit_index, g.position FROM given g
            UNION ALL
            -- Some commits write nothing.
            SELECT c.n - 1, NULL FROM generate_series(1, cardinality(commit_ids)) AS c(n)
        ) AS told(commit_index, position)
        WHERE told.commit_index <> ALL (refused)
        GROUP BY told.commit_index
    ),
    landed AS (
        INSERT INTO evercore.commits (
            id, landed, first_position, last_position, positions, recorded_at, idempotency_key,
            command, result
        )
        SELECT
            commit_ids[s.commit_index + 1], true, s.first, s.last, s.positions,
            commit_times[s.commit_index + 1],
            commit_keys[s.commit_index + 1], commit_commands[s.commit_index + 1],
            commit_results[s.commit_index + 1]
        FROM spans s
    )
    SELECT
        s.commit_index, 0::smallint, NULL::bigint, NULL::bigint, NULL::text, s.first, s.last,
        s.positions
    FROM spans s;

    IF cardinality(snapshot_commits) > 0 THEN
        INSERT INTO evercore.snapshots AS kept (aggregate_id, sequence, fingerprint, state)
        SELECT s.aggregate_id, s.sequence, s.fingerprint, s.state
        FROM unnest(
            snapshot_commits, snapshot_aggregates, snapshot_sequences, snapshot_fingerprints,
            snapshot_states
        ) AS s(commit_index, aggregate_id, sequence, fingerprint, state)
        WHERE s.commit_index <> ALL (refused)
        ON CONFLICT (aggregate_id) DO UPDATE
        SET sequence = excluded.sequence,
            fingerprint = excluded.fingerprint,
            state = excluded.state;
    END IF;
END
$$;

-- Stores a commit to one aggregate, with at least one event, that changes no stored key and no unique value. If
-- anything forbids it, either nothing is done and no positions are returned, or a unique index raises an error: then the
-- commit is sent to `append`, which says why. The columns for tags, locks and conditions are NULL if there are none.
CREATE FUNCTION evercore.append_one(
    commit_id uuid,
    commit_time timestamptz,
    commit_key text,
    commit_command text,
    commit_result text,
    write_id bigint,
    write_type integer,
    write_precondition smallint,
    write_sequence bigint,
    write_key text,
    write_new_key text,
    event_type_ids integer[],
    event_versions integer[],
    event_codecs smallint[],
    event_payloads bytea[],
    event_times timestamptz[],
    event_references text[],
    event_correlations text[],
    event_causations text[],
    event_metadata text[],
    event_tags text[],
    event_tag_numbers text[],
    snapshot_sequence bigint,
    snapshot_fingerprint bigint,
    snapshot_state bytea,
    lock_numbers bigint[],
    lock_exclusive boolean[],
    condition_beyonds bigint[],
    condition_seens bigint[],
    atom_conditions integer[],
    atom_types integer[],
    atom_aggregates text[],
    atom_events text[],
    atom_numbers bigint[],
    atom_tags text[],
    done_commits integer[],
    done_indexes integer[],
    done_ids uuid[],
    done_tokens bigint[],
    task_commits integer[],
    task_indexes integer[],
    task_kinds smallint[],
    task_ids uuid[],
    task_queues text[],
    task_keys text[],
    task_times timestamptz[],
    task_waits bigint[],
    task_priorities smallint[],
    task_types text[],
    task_versions integer[],
    task_codecs smallint[],
    task_payloads bytea[],
    task_correlations text[],
    task_causations text[],
    task_metadata text[],
    declared bigint,
    outcomes jsonb,
    OUT first bigint,
    OUT last bigint,
    OUT positions bigint[]
)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
-- With scans off, the server estimates costs so high that compiling the statement seems worth it.
SET jit = off
AS $$
DECLARE
    -- As in `append`.
    is_new CONSTANT smallint := 0;
    exists_somehow CONSTANT smallint := 1;
    unchanged CONSTANT smallint := 3;

    has_tasks boolean := false;
    before bigint;
    type integer;
    key text;
    is_locked boolean;
    unmet integer[];
    is_announced boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
        -- Keys must be locked in the order of their hashes; this function locks one at most.
        OR write_new_key IS NOT NULL AND commit_key IS NOT NULL
    THEN
        RETURN;
    END IF;

    IF write_precondition <> is_new THEN
        SELECT a.aggregate_type_id, a.natural_key INTO type, key
        FROM evercore.aggregates a
        WHERE a.id = write_id
        FOR NO KEY UPDATE;
        IF type IS DISTINCT FROM write_type
            OR write_precondition = unchanged AND key IS DISTINCT FROM write_key
        THEN
            RETURN;
        END IF;
    END IF;

    -- An assigned expression, unlike PERFORM, needs no statement of its own.
    IF write_new_key IS NOT NULL THEN
        is_locked := pg_advisory_xact_lock_shared(evercore.key_hash('kind', write_type::text)) IS NOT NULL;
        is_locked := pg_advisory_xact_lock(evercore.key_hash(write_type::text, write_new_key))
            IS NOT NULL;
    ELSIF commit_key IS NOT NULL THEN
        is_locked := pg_advisory_xact_lock_shared(evercore.key_hash('kind', 'idempotency')) IS NOT NULL;
        is_locked := pg_advisory_xact_lock(evercore.key_hash('idempotency', commit_key))
            IS NOT NULL;
    END IF;

    -- As in `append`.
    IF cardinality(lock_numbers) > 0 THEN
        FOR n IN 1 .. cardinality(lock_numbers) LOOP
            IF lock_exclusive[n] THEN
                is_locked := pg_advisory_xact_lock(
                    lock_numbers[n] # 'evercore.event_tags'::regclass::oid::bigint
                ) IS NOT NULL;
            ELSE
                is_locked := pg_advisory_xact_lock_shared(
                    lock_numbers[n] # 'evercore.event_tags'::regclass::oid::bigint
                ) IS NOT NULL;
            END IF;
        END LOOP;
    END IF;

    IF cardinality(condition_seens) > 0 THEN
        unmet := evercore.unmet_conditions(
            condition_beyonds, condition_seens, atom_conditions, atom_types, atom_aggregates, atom_events,
            atom_numbers, atom_tags
        );
        IF unmet IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;

    IF done_ids IS NOT NULL OR task_ids IS NOT NULL THEN
        IF done_ids IS NOT NULL AND EXISTS (
            SELECT FROM evercore.refused_tasks(done_ids, done_tokens, '{}', '{}', '{}')
        ) THEN
            RETURN;
        END IF;
        has_tasks := true;
    END IF;

    IF write_precondition = is_new THEN
        before := 0;
        INSERT INTO evercore.aggregates (id, aggregate_type_id, natural_key)
        VALUES (write_id, write_type, write_new_key);
    ELSE
        SELECT e.sequence INTO before
        FROM evercore.events e
        WHERE e.aggregate_id = write_id
        ORDER BY e.sequence DESC
        LIMIT 1;
        before := coalesce(before, 0);
        IF write_precondition <> exists_somehow AND before <> write_sequence THEN
            RETURN;
        END IF;
    END IF;

    IF has_tasks THEN
        PERFORM evercore.change_tasks(
            '{}', done_commits, done_ids, task_commits, task_kinds, task_ids, task_queues, task_keys, task_times,
            task_waits, task_priorities, task_types, task_versions, task_codecs, task_payloads, task_correlations,
            task_causations, task_metadata
        );
    END IF;

    IF outcomes IS NOT NULL THEN
        PERFORM evercore.log_commands('{}', ARRAY[commit_id], outcomes);
    END IF;

    is_announced := evercore.announce_floor();
    IF declared <> evercore.declared_version() THEN
        RAISE EXCEPTION 'the declarations have changed' USING ERRCODE = 'EV003';
    END IF;

    IF cardinality(event_payloads) = 1 THEN
        INSERT INTO evercore.events (
            aggregate_id, sequence, event_type_id, version, codec, payload, event_time,
            recorded_at, reference, correlation_id, causation_id, metadata, tags
        )
        VALUES (
            write_id, before + 1, event_type_ids[1], event_versions[1], event_codecs[1],
            event_payloads[1], event_times[1], commit_time, event_references[1],
            event_correlations[1], event_causations[1], event_metadata[1], event_tags[1]
        )
        RETURNING position, position INTO first, last;
        IF event_tag_numbers IS NOT NULL THEN
            INSERT INTO evercore.event_tags (tag, event_type_id, position)
            SELECT t.number, event_type_ids[1], first
            FROM unnest(event_tag_numbers[1]::bigint[]) AS t(number);
        END IF;
    ELSE
        WITH appended AS (
            INSERT INTO evercore.events (
                aggregate_id, sequence, event_type_id, version, codec, payload, event_time,
                recorded_at, reference, correlation_id, causation_id, metadata, tags
            )
            SELECT
                write_id,
                before + e.n,
                coalesce(e.type_id, event_type_ids[1]),
                coalesce(e.version, event_versions[1]),
                coalesce(e.codec, event_codecs[1]),
                e.payload,
                coalesce(e.time, event_times[1]),
                commit_time,
                e.reference,
                e.correlation_id,
                e.causation_id,
                e.metadata,
                e.tags
            FROM unnest(
                event_type_ids, event_versions, event_codecs, event_payloads, event_times,
                event_references, event_correlations, event_causations, event_metadata, event_tags
            ) WITH ORDINALITY AS e(
                type_id, version, codec, payload, time, reference, correlation_id, causation_id,
                metadata, tags, n
            )
            ORDER BY e.n
            RETURNING position
        )
        SELECT min(a.position), max(a.position), array_agg(a.position ORDER BY a.position)
        INTO first, last, positions
        FROM appended a;
        IF event_tag_numbers IS NOT NULL THEN
            INSERT INTO evercore.event_tags (tag, event_type_id, position)
            SELECT t.number, coalesce(event_type_ids[e.n], event_type_ids[1]), positions[e.n]
            FROM unnest(event_tag_numbers) WITH ORDINALITY AS e(numbers, n)
            CROSS JOIN LATERAL unnest(e.numbers::bigint[]) AS t(number);
        END IF;
        IF last - first < cardinality(positions) THEN
            positions := NULL;
        END IF;
    END IF;

    INSERT INTO evercore.commits (
        id, landed, first_position, last_position, positions, recorded_at, idempotency_key,
        command, result
    )
    VALUES (
        commit_id, true, first, last, positions, commit_time, commit_key, commit_command,
        commit_result
    );

    IF snapshot_state IS NOT NULL THEN
        INSERT INTO evercore.snapshots AS kept (aggregate_id, sequence, fingerprint, state)
        VALUES (write_id, snapshot_sequence, snapshot_fingerprint, snapshot_state)
        ON CONFLICT (aggregate_id) DO UPDATE
        SET sequence = excluded.sequence,
            fingerprint = excluded.fingerprint,
            state = excluded.state;
    END IF;
END
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (2, 'append');
