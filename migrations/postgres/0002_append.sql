-- Lands a group of commits in one round trip and says what became of each.
--
-- The order of its steps is what keeps the promises:
--   1. rows are locked in id order, then natural and idempotency keys in the order of their hashes, so that groups cannot
--      deadlock;
--   2. what is decided on is read in statements after the locks, so with a snapshot that sees who held them before;
--   3. the floor is announced before the first position is drawn, so that no reader passes what is still on its way.
--
-- It refuses single commits and lands the others. No two commits of a group name the same aggregate or key of either kind.

-- What became of a commit. The codes are those of `verdict.rs`.
CREATE TYPE evercore.verdict AS (
    commit_index integer,
    code smallint,
    aggregate_id bigint,
    sequence bigint,
    name text,
    first_position bigint,
    last_position bigint
);

-- The positions from which a writer may still draw: announced here, looked at by `frontier`.
CREATE FUNCTION evercore.announce_floor() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    floor bigint;
BEGIN
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO floor
    FROM evercore.event_positions s;
    PERFORM pg_advisory_xact_lock_shared(
        'evercore.events'::regclass::oid::bigint::bit(32)::integer,
        floor::bit(32)::integer
    );
END
$$;

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
    event_type_ids integer[],
    event_versions integer[],
    event_codecs smallint[],
    event_payloads bytea[],
    event_times timestamptz[],
    event_references text[],
    event_correlations text[],
    event_causations text[],
    event_metadata text[],
    snapshot_commits integer[],
    snapshot_aggregates bigint[],
    snapshot_sequences bigint[],
    snapshot_fingerprints bigint[],
    snapshot_states bytea[]
) RETURNS SETOF evercore.verdict
LANGUAGE plpgsql VOLATILE
-- Tables that were never analysed get plans that scan them, and the plans are kept.
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    -- Preconditions and key changes; the same numbers as in `verdict.rs`.
    is_new CONSTANT smallint := 0;
    exists_somehow CONSTANT smallint := 1;
    at_sequence CONSTANT smallint := 2;
    unchanged CONSTANT smallint := 3;
    keep_key CONSTANT smallint := 0;
    set_key CONSTANT smallint := 1;

    verdicts evercore.verdict[] := '{}';
    refused integer[];
    has_keys boolean := set_key = ANY (write_key_changes) OR 2 = ANY (write_key_changes);
    is_keyed boolean := EXISTS (SELECT FROM unnest(commit_keys) AS k(key) WHERE k.key IS NOT NULL);
BEGIN
    -- Elsewhere the statements after the locks see no more than those before.
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

    IF has_keys OR is_keyed THEN
        PERFORM pg_advisory_xact_lock(claim.hash)
        FROM (
            SELECT DISTINCT hashtextextended(
                named.name,
                'evercore.aggregates'::regclass::oid::bigint
            ) AS hash
            FROM (
                SELECT w.type || ':' || w.key
                FROM unnest(write_types, write_new_keys) AS w(type, key)
                WHERE w.key IS NOT NULL
                UNION ALL
                SELECT 'idempotency:' || k.key
                FROM unnest(commit_keys) AS k(key)
                WHERE k.key IS NOT NULL
            ) AS named(name)
            ORDER BY 1
        ) AS claim;
    END IF;

    -- Commits that were seen before: landed (8) or given up (7).
    SELECT coalesce(array_agg(ROW(
        c.n - 1,
        CASE WHEN known.landed THEN 8 ELSE 7 END,
        NULL, NULL, NULL, known.first_position, known.last_position
    )::evercore.verdict), '{}') INTO verdicts
    FROM unnest(commit_ids) WITH ORDINALITY AS c(id, n)
    JOIN evercore.commits known ON known.id = c.id;

    -- Idempotency keys of other commits that landed (9).
    IF is_keyed THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            c.n - 1, 9, NULL, NULL, NULL, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM unnest(commit_keys) WITH ORDINALITY AS c(key, n)
        JOIN evercore.commits used ON used.idempotency_key = c.key
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = c.n - 1
        );
    END IF;

    -- Preconditions.
    SELECT verdicts || coalesce(array_agg(ROW(
        failed.commit_index, failed.code, failed.id, failed.actual, failed.name, NULL, NULL
    )::evercore.verdict), '{}') INTO verdicts
    FROM (
        SELECT DISTINCT ON (judged.commit_index) judged.*
        FROM (
            SELECT
                w.commit_index,
                w.n,
                w.id,
                current.sequence AS actual,
                found.name,
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
                SELECT a.id, a.aggregate_type_id AS type, a.natural_key AS key, t.name
                FROM evercore.aggregates a
                JOIN evercore.aggregate_types t ON t.id = a.aggregate_type_id
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

    -- Keys: free, or given up by their holder in the same commit.
    IF has_keys THEN
        SELECT verdicts || coalesce(array_agg(ROW(
            taken.commit_index, 6, taken.id, NULL, taken.new_key, NULL, NULL
        )::evercore.verdict), '{}') INTO verdicts
        FROM (
            SELECT DISTINCT ON (w.commit_index) w.*
            FROM unnest(
                write_commits, write_ids, write_types, write_key_changes, write_new_keys
            ) WITH ORDINALITY AS w(commit_index, id, type, key_change, new_key, n)
            WHERE w.key_change = set_key
                AND (
                    EXISTS (
                        SELECT
                        FROM evercore.aggregates holder
                        WHERE holder.aggregate_type_id = w.type
                            AND holder.natural_key = w.new_key
                            AND holder.id <> w.id
                            AND NOT EXISTS (
                                SELECT
                                FROM unnest(write_commits, write_ids, write_key_changes)
                                    AS other(commit_index, id, key_change)
                                WHERE other.commit_index = w.commit_index
                                    AND other.id = holder.id
                                    AND other.key_change <> keep_key
                            )
                    )
                    OR EXISTS (
                        SELECT
                        FROM unnest(write_commits, write_ids, write_types, write_new_keys)
                            AS other(commit_index, id, type, new_key)
                        WHERE other.commit_index = w.commit_index
                            AND other.id <> w.id
                            AND other.type = w.type
                            AND other.new_key = w.new_key
                    )
                )
            ORDER BY w.commit_index, w.n
        ) AS taken
        WHERE NOT EXISTS (
            SELECT FROM unnest(verdicts) AS v WHERE v.commit_index = taken.commit_index
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

    PERFORM evercore.announce_floor();

    RETURN QUERY
    WITH appended AS (
        INSERT INTO evercore.events (
            aggregate_id, sequence, event_type_id, version, codec, payload, event_time,
            recorded_at, reference, correlation_id, causation_id, metadata
        )
        SELECT
            e.aggregate_id,
            before.sequence + e.place,
            e.type_id,
            e.version,
            e.codec,
            e.payload,
            e.time,
            commit_times[e.commit_index + 1],
            e.reference,
            e.correlation_id,
            e.causation_id,
            e.metadata
        FROM (
            SELECT
                given.*,
                row_number() OVER (PARTITION BY given.aggregate_id ORDER BY given.n) AS place
            FROM unnest(
                event_commits, event_aggregates, event_type_ids, event_versions, event_codecs,
                event_payloads, event_times, event_references, event_correlations,
                event_causations, event_metadata
            ) WITH ORDINALITY AS given(
                commit_index, aggregate_id, type_id, version, codec, payload, time, reference,
                correlation_id, causation_id, metadata, n
            )
            WHERE given.commit_index <> ALL (refused)
        ) AS e
        CROSS JOIN LATERAL (
            SELECT coalesce(max(stored.sequence), 0) AS sequence
            FROM evercore.events stored
            WHERE stored.aggregate_id = e.aggregate_id
        ) AS before
        -- Positions are drawn in this order.
        ORDER BY e.n
        RETURNING position, aggregate_id
    ),
    spans AS (
        SELECT w.commit_index, min(a.position) AS first, max(a.position) AS last
        FROM appended a
        JOIN unnest(write_commits, write_ids) AS w(commit_index, id) ON w.id = a.aggregate_id
        GROUP BY w.commit_index
    ),
    landed AS (
        INSERT INTO evercore.commits (
            id, landed, first_position, last_position, recorded_at, idempotency_key, command, result
        )
        SELECT
            c.id, true, spans.first, spans.last, commit_times[c.n], commit_keys[c.n],
            commit_commands[c.n], commit_results[c.n]
        FROM unnest(commit_ids) WITH ORDINALITY AS c(id, n)
        LEFT JOIN spans ON spans.commit_index = c.n - 1
        WHERE c.n - 1 <> ALL (refused)
    )
    SELECT
        (c.n - 1)::integer, 0::smallint, NULL::bigint, NULL::bigint, NULL::text, spans.first,
        spans.last
    FROM unnest(commit_ids) WITH ORDINALITY AS c(id, n)
    LEFT JOIN spans ON spans.commit_index = c.n - 1
    WHERE c.n - 1 <> ALL (refused);

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

INSERT INTO evercore.evercore_migrations (version, description) VALUES (2, 'append');
