-- Creates the tables of tasks, and the functions by which `append` and `append_one` change them.

-- The tasks that wait or are claimed.
CREATE TABLE evercore.tasks (
    -- A UUID of version 7.
    id uuid PRIMARY KEY,
    -- The time before which no worker claims it: for a claimed one, the end of its lease.
    due timestamptz NOT NULL,
    enqueued_at timestamptz NOT NULL,
    -- The lease is held by its token, not by the owner's name.
    token bigint,
    attempts integer NOT NULL,
    version integer NOT NULL,
    -- 0 high, 1 normal, 2 low.
    priority smallint NOT NULL,
    -- As in `events`.
    codec smallint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    owner text,
    task_type text NOT NULL,
    payload bytea NOT NULL,
    correlation_id text,
    causation_id text,
    metadata text,
    failure text
) WITH (
    -- Every task becomes a dead row or two soon, so they are removed early.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000
);

CREATE INDEX tasks_by_due ON evercore.tasks (queue, priority, due, id);

CREATE UNIQUE INDEX tasks_by_key ON evercore.tasks (queue, key) WHERE key IS NOT NULL;

-- The tasks that have failed for good, and those that were discarded.
CREATE TABLE evercore.ended_tasks (
    id uuid PRIMARY KEY,
    due timestamptz NOT NULL,
    enqueued_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    version integer NOT NULL,
    priority smallint NOT NULL,
    codec smallint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    task_type text NOT NULL,
    payload bytea NOT NULL,
    correlation_id text,
    causation_id text,
    metadata text,
    failure text,
    -- The reason for which it was discarded; NULL for a dead one.
    reason text
);

CREATE INDEX dead_tasks_by_queue ON evercore.ended_tasks (queue, id) WHERE reason IS NULL;

CREATE INDEX discarded_tasks_by_queue ON evercore.ended_tasks (queue, id) WHERE reason IS NOT NULL;

CREATE TABLE evercore.paused_queues (
    queue text COLLATE "C" PRIMARY KEY
);

-- The tokens of leases. None is given twice.
CREATE SEQUENCE evercore.task_tokens AS bigint;

-- Locks the tasks that commits complete, cancel or replace, in the order of their ids, after all other locks of the
-- commits. Then returns what refuses a commit: a lease that is not held (12), and a key that is taken (13), each with its
-- index in the columns, from 1.
CREATE FUNCTION evercore.refused_tasks(
    done_ids uuid[],
    done_tokens bigint[],
    task_kinds smallint[],
    task_queues text[],
    task_keys text[]
) RETURNS TABLE (code smallint, n bigint)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    PERFORM t.id
    FROM evercore.tasks t
    WHERE t.id = ANY (done_ids || ARRAY(
        SELECT keyed.id
        FROM unnest(task_queues, task_keys) AS k(queue, key)
        JOIN evercore.tasks keyed ON keyed.queue = k.queue AND keyed.key = k.key
    ))
    ORDER BY t.id
    FOR UPDATE;

    RETURN QUERY
    SELECT 12::smallint, d.n
    FROM unnest(done_ids, done_tokens) WITH ORDINALITY AS d(id, token, n)
    WHERE NOT EXISTS (SELECT FROM evercore.tasks t WHERE t.id = d.id AND t.token = d.token)
    UNION ALL
    SELECT 13::smallint, k.n
    FROM unnest(task_kinds, task_queues, task_keys) WITH ORDINALITY AS k(kind, queue, key, n)
    JOIN evercore.tasks t ON t.queue = k.queue AND t.key = k.key
    -- The key of a task that the same commit completes is free. No other commit of a group names it.
    WHERE k.kind = 0 AND t.id <> ALL (done_ids);
END
$$;

-- Completes, cancels and enqueues tasks: those of the commits that are not refused. The kinds are 0 to fail, 1 to keep and
-- 2 to replace if the key is taken, and 3 to cancel. Times that are NULL are waits, in microseconds.
CREATE FUNCTION evercore.change_tasks(
    refused integer[],
    done_commits integer[],
    done_ids uuid[],
    task_commits integer[],
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
    task_metadata text[]
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    IF cardinality(done_ids) > 0 THEN
        DELETE FROM evercore.tasks t
        WHERE t.id IN (
            SELECT d.id FROM unnest(done_commits, done_ids) AS d(commit_index, id) WHERE d.commit_index <> ALL (refused)
        );
    END IF;
    IF cardinality(task_kinds) > 0 THEN
        IF 2 = ANY (task_kinds) OR 3 = ANY (task_kinds) THEN
            DELETE FROM evercore.tasks t
            WHERE t.id IN (
                SELECT keyed.id
                FROM unnest(task_commits, task_kinds, task_queues, task_keys) AS k(commit_index, kind, queue, key)
                JOIN evercore.tasks keyed ON keyed.queue = k.queue AND keyed.key = k.key
                WHERE k.kind >= 2 AND k.commit_index <> ALL (refused)
            );
        END IF;
        -- Most commits enqueue one task, which is worth a statement of its own.
        IF cardinality(task_kinds) = 1 AND task_kinds[1] = 0 AND cardinality(refused) = 0 THEN
            INSERT INTO evercore.tasks (
                id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload,
                correlation_id, causation_id, metadata
            )
            VALUES (
                task_ids[1],
                greatest(task_times[1], began) + task_waits[1] * interval '1 microsecond',
                began, 0, task_versions[1], task_priorities[1], task_codecs[1], task_queues[1], task_keys[1],
                task_types[1], task_payloads[1], task_correlations[1], task_causations[1], task_metadata[1]
            );
            RETURN;
        END IF;

        INSERT INTO evercore.tasks (
            id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
            causation_id, metadata
        )
        SELECT
            k.id,
            greatest(k.time, began) + k.wait * interval '1 microsecond',
            began,
            0, k.version, k.priority, k.codec, k.queue, k.key, k.type, k.payload, k.correlation_id, k.causation_id,
            k.metadata
        FROM unnest(
            task_commits, task_kinds, task_ids, task_queues, task_keys, task_times, task_waits, task_priorities,
            task_types, task_versions, task_codecs, task_payloads, task_correlations, task_causations, task_metadata
        ) AS k(
            commit_index, kind, id, queue, key, time, wait, priority, type, version, codec, payload, correlation_id,
            causation_id, metadata
        )
        WHERE k.kind < 3
            AND k.commit_index <> ALL (refused)
            AND NOT (k.kind = 1 AND EXISTS (
                SELECT FROM evercore.tasks held WHERE held.queue = k.queue AND held.key = k.key
            ));
    END IF;
END
$$;

-- Claims the tasks of a queue that are due, those of a higher priority first, up to one whose last lease has ended
-- without an outcome; or that one alone. `now()` is when the statement began. `n` is the place in the order of the claim,
-- and `first_due` the time before which the next claim need not look for any: all that is left is due later, except for a
-- task whose commit takes longer than a second. Tasks that were due before `since`, which may be NULL, are not looked for.
CREATE FUNCTION evercore.claim_tasks(
    of_queue text,
    by_owner text,
    lasts interval,
    most bigint,
    since timestamptz
) RETURNS TABLE (
    id uuid, queue text, key text, priority smallint, due timestamptz, attempts integer, failure text, task_type text,
    version integer, codec smallint, payload bytea, correlation_id text, causation_id text, metadata text,
    enqueued_at timestamptz, is_abandoned boolean, token bigint, owner text, n bigint, first_due timestamptz
)
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT f.*
        FROM unnest('{0,1,2}'::smallint[]) AS p(priority)
        CROSS JOIN LATERAL (
            SELECT t.id, t.priority, t.due, t.token IS NOT NULL AS is_abandoned
            FROM evercore.tasks t
            WHERE t.queue = of_queue
                AND t.priority = p.priority
                AND t.due <= now()
                AND t.due >= coalesce(since, '-infinity')
                AND NOT EXISTS (SELECT FROM evercore.paused_queues AS paused WHERE paused.queue = of_queue)
            ORDER BY t.due, t.id
            LIMIT most
            FOR UPDATE OF t SKIP LOCKED
        ) AS f
    ),
    ordered AS (
        SELECT
            f.id,
            f.is_abandoned,
            row_number() OVER claims AS n,
            bool_or(f.is_abandoned) OVER claims AS has_abandoned,
            least(min(f.due) OVER (), now() - interval '1 second') AS first_due
        FROM found f
        WINDOW claims AS (ORDER BY f.priority, f.due, f.id)
    ),
    chosen AS (
        -- `has_abandoned` counts the row itself and those before it.
        SELECT o.* FROM ordered o WHERE o.n = 1 OR o.n <= most AND NOT o.has_abandoned
    )
    UPDATE evercore.tasks t
    SET token = nextval('evercore.task_tokens'), owner = by_owner, attempts = t.attempts + 1, due = now() + lasts
    FROM chosen c
    WHERE t.id = c.id
    RETURNING
        t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
        t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, c.is_abandoned, t.token, t.owner, c.n,
        c.first_due;
END
$$;

-- Renews the leases that are held, and returns their tokens. No token is given twice, so it names its task. Locks the tasks
-- in the order of their ids, as commits do that complete them.
CREATE FUNCTION evercore.renew_tasks(held_ids uuid[], held_tokens bigint[], lasts interval) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    WITH locked AS MATERIALIZED (
        SELECT t.id
        FROM evercore.tasks t
        WHERE t.id = ANY (held_ids) AND t.token = ANY (held_tokens)
        ORDER BY t.id
        FOR UPDATE
    )
    UPDATE evercore.tasks t
    SET due = now() + lasts
    WHERE t.id = ANY (ARRAY(SELECT locked.id FROM locked))
    RETURNING t.token;
END
$$;

-- Gives tasks back whose leases are held, as if they had not been claimed. Locks them in the order of their ids.
CREATE FUNCTION evercore.release_tasks(held_ids uuid[], held_tokens bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT t.id
        FROM evercore.tasks t
        WHERE t.id = ANY (held_ids) AND t.token = ANY (held_tokens)
        ORDER BY t.id
        FOR UPDATE
    )
    UPDATE evercore.tasks t
    SET token = NULL, owner = NULL, attempts = t.attempts - 1, due = now()
    WHERE t.id = ANY (ARRAY(SELECT locked.id FROM locked));
END
$$;

-- Reads the tasks of a queue that wait or are claimed, after a place in the order in which they are claimed.
CREATE FUNCTION evercore.read_tasks(
    of_queue text,
    after_priority smallint,
    after_due timestamptz,
    after_id uuid,
    most bigint
) RETURNS SETOF evercore.tasks
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT t.*
    FROM evercore.tasks t
    WHERE t.queue = of_queue AND (t.priority, t.due, t.id) > (after_priority, after_due, after_id)
    ORDER BY t.priority, t.due, t.id
    LIMIT most;
END
$$;

-- Makes dead tasks of a queue due again, except for those whose key another task has by now, and returns their ids. Locks
-- them in the order of their ids.
CREATE FUNCTION evercore.revive_tasks(of_queue text, dead_ids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    -- As `append` does for more keys than it locks one by one: the keys of the queue, before any row.
    PERFORM pg_advisory_xact_lock(evercore.key_hash('kind', 'task ' || of_queue));

    RETURN QUERY
    WITH locked AS MATERIALIZED (
        SELECT t.* FROM evercore.ended_tasks t WHERE t.id = ANY (dead_ids) ORDER BY t.id FOR UPDATE
    ),
    revived AS (
        INSERT INTO evercore.tasks (
            id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload, correlation_id,
            causation_id, metadata, failure
        )
        SELECT
            l.id, now(), l.enqueued_at, 0, l.version, l.priority, l.codec, l.queue, l.key, l.task_type, l.payload,
            l.correlation_id, l.causation_id, l.metadata, l.failure
        FROM locked l
        WHERE l.queue = of_queue AND l.reason IS NULL
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    DELETE FROM evercore.ended_tasks t WHERE t.id = ANY (ARRAY(SELECT revived.id FROM revived)) RETURNING t.id;
END
$$;

-- Discards dead tasks of a queue, and returns their ids. Locks them in the order of their ids.
CREATE FUNCTION evercore.discard_tasks(of_queue text, dead_ids uuid[], why text) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    WITH locked AS MATERIALIZED (
        SELECT t.id, t.queue, t.reason FROM evercore.ended_tasks t WHERE t.id = ANY (dead_ids) ORDER BY t.id FOR UPDATE
    )
    UPDATE evercore.ended_tasks t
    SET reason = why, ended_at = now()
    WHERE t.id = ANY (ARRAY(SELECT l.id FROM locked l WHERE l.queue = of_queue AND l.reason IS NULL))
    RETURNING t.id;
END
$$;

-- Reads the dead tasks of a queue after an id, or those of them with a key.
CREATE FUNCTION evercore.read_dead_tasks(of_queue text, after_id uuid, most bigint, of_key text)
RETURNS SETOF evercore.ended_tasks
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT t.*
    FROM evercore.ended_tasks t
    WHERE t.queue = of_queue AND t.reason IS NULL AND t.id > after_id AND (of_key IS NULL OR t.key = of_key)
    ORDER BY t.id
    LIMIT most;
END
$$;

-- Reads the discarded tasks of a queue after an id, or those of them with a key.
CREATE FUNCTION evercore.read_discarded_tasks(of_queue text, after_id uuid, most bigint, of_key text)
RETURNS SETOF evercore.ended_tasks
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT t.*
    FROM evercore.ended_tasks t
    WHERE t.queue = of_queue AND t.reason IS NOT NULL AND t.id > after_id AND (of_key IS NULL OR t.key = of_key)
    ORDER BY t.id
    LIMIT most;
END
$$;

-- The outcomes of commands, each written by the commit that it is the outcome of.
CREATE TABLE evercore.command_log (
    -- That of the command's task.
    id uuid PRIMARY KEY,
    commit_id uuid NOT NULL,
    sent_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    aggregate_id bigint,
    -- The duration of the last attempt in microseconds.
    took bigint NOT NULL,
    command text COLLATE "C" NOT NULL,
    aggregate_type text NOT NULL,
    correlation_id text COLLATE "C",
    causation_id text,
    principal text,
    -- The reason; NULL for a command that has landed.
    rejection text
);

CREATE INDEX command_log_by_time ON evercore.command_log (ended_at, id);

CREATE INDEX command_log_by_correlation ON evercore.command_log (correlation_id, ended_at, id)
WHERE correlation_id IS NOT NULL;

CREATE INDEX command_log_by_aggregate ON evercore.command_log (aggregate_id, ended_at, id)
WHERE aggregate_id IS NOT NULL;

CREATE INDEX command_log_by_command ON evercore.command_log (command, ended_at, id);

CREATE INDEX command_log_of_rejected ON evercore.command_log (ended_at, id) WHERE rejection IS NOT NULL;

-- Records the outcomes of commands: those of the commits that are not refused. They are a list of JSON objects, each with
-- the index of its commit.
CREATE FUNCTION evercore.log_commands(refused integer[], commit_ids uuid[], outcomes jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO evercore.command_log (
        id, commit_id, sent_at, ended_at, aggregate_id, took, command, aggregate_type, correlation_id, causation_id,
        principal, rejection
    )
    SELECT
        o.id, commit_ids[o.commit_index + 1], o.sent_at, clock_timestamp(), o.aggregate_id, o.took, o.command,
        o.aggregate_type, o.correlation_id, o.causation_id, o.principal, o.rejection
    FROM jsonb_to_recordset(outcomes) AS o(
        commit_index integer, id uuid, sent_at timestamptz, aggregate_id bigint, took bigint, command text,
        aggregate_type text, correlation_id text, causation_id text, principal text, rejection text
    )
    WHERE o.commit_index <> ALL (refused)
$$;

-- Reads outcomes of commands, the newest first, by the index of the condition that few of them meet. All but the last
-- parameter may be NULL.
CREATE FUNCTION evercore.list_commands(
    of_correlation text,
    of_aggregate bigint,
    of_command text,
    of_rejected boolean,
    since timestamptz,
    until timestamptz,
    after_time timestamptz,
    after_id uuid,
    most bigint
) RETURNS SETOF evercore.command_log
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    earliest timestamptz := coalesce(since, '-infinity');
    latest timestamptz := coalesce(until, 'infinity');
    before_time timestamptz := coalesce(after_time, 'infinity');
    before_id uuid := coalesce(after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
BEGIN
    IF of_correlation IS NOT NULL THEN
        RETURN QUERY
        SELECT l.*
        FROM evercore.command_log l
        WHERE l.correlation_id = of_correlation
            AND (of_aggregate IS NULL OR l.aggregate_id = of_aggregate)
            AND (of_command IS NULL OR l.command = of_command)
            AND (of_rejected IS NULL OR (l.rejection IS NOT NULL) = of_rejected)
            AND l.ended_at >= earliest
            AND l.ended_at < latest
            AND (l.ended_at, l.id) < (before_time, before_id)
        ORDER BY l.ended_at DESC, l.id DESC
        LIMIT most;
    ELSIF of_aggregate IS NOT NULL THEN
        RETURN QUERY
        SELECT l.*
        FROM evercore.command_log l
        WHERE l.aggregate_id = of_aggregate
            AND (of_command IS NULL OR l.command = of_command)
            AND (of_rejected IS NULL OR (l.rejection IS NOT NULL) = of_rejected)
            AND l.ended_at >= earliest
            AND l.ended_at < latest
            AND (l.ended_at, l.id) < (before_time, before_id)
        ORDER BY l.ended_at DESC, l.id DESC
        LIMIT most;
    ELSIF of_rejected THEN
        RETURN QUERY
        SELECT l.*
        FROM evercore.command_log l
        WHERE l.rejection IS NOT NULL
            AND (of_command IS NULL OR l.command = of_command)
            AND l.ended_at >= earliest
            AND l.ended_at < latest
            AND (l.ended_at, l.id) < (before_time, before_id)
        ORDER BY l.ended_at DESC, l.id DESC
        LIMIT most;
    ELSIF of_command IS NOT NULL THEN
        RETURN QUERY
        SELECT l.*
        FROM evercore.command_log l
        WHERE l.command = of_command
            AND (of_rejected IS NULL OR (l.rejection IS NOT NULL) = of_rejected)
            AND l.ended_at >= earliest
            AND l.ended_at < latest
            AND (l.ended_at, l.id) < (before_time, before_id)
        ORDER BY l.ended_at DESC, l.id DESC
        LIMIT most;
    ELSE
        RETURN QUERY
        SELECT l.*
        FROM evercore.command_log l
        WHERE (of_rejected IS NULL OR (l.rejection IS NOT NULL) = of_rejected)
            AND l.ended_at >= earliest
            AND l.ended_at < latest
            AND (l.ended_at, l.id) < (before_time, before_id)
        ORDER BY l.ended_at DESC, l.id DESC
        LIMIT most;
    END IF;
END
$$;

-- Removes outcomes of commands that are older than this, the oldest first, and returns their number. Another session that
-- does the same takes others.
CREATE FUNCTION evercore.prune_commands(older_than interval, most bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    old uuid[] := ARRAY(
        SELECT l.id
        FROM evercore.command_log l
        WHERE l.ended_at < now() - older_than
        ORDER BY l.ended_at, l.id
        LIMIT most
        FOR UPDATE SKIP LOCKED
    );
BEGIN
    DELETE FROM evercore.command_log l WHERE l.id = ANY (old);
    RETURN cardinality(old);
END
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (5, 'tasks');
