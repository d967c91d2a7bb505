-- The rest of the log: every other event belongs to the first aggregate, every fourth has the same correlation id, and
-- the remaining aggregates and correlation ids are rare. Each commit has ten events; every tenth event is parked. All
-- events share a tag, every other event has another, and each has a tag that few others have. The last has as many as an
-- event may have.
INSERT INTO evercore.aggregates (id, aggregate_type_id, natural_key)
SELECT n, t.id, 'account ' || n
FROM generate_series(1, current_setting('plans.last')::bigint / 10) AS n
JOIN evercore.aggregate_types t ON t.name = 'account'
ON CONFLICT (id) DO NOTHING;

INSERT INTO evercore.events (
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version, codec, payload, correlation_id,
    tags
)
SELECT
    n,
    CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + (n / 2) % (current_setting('plans.last')::bigint / 10 - 1) END,
    n / 2 + CASE WHEN n % 2 = 0 THEN current_setting('plans.first')::bigint / 2 ELSE 1 END,
    now(),
    now() + n * interval '1 second' - current_setting('plans.last')::bigint * interval '1 second',
    t.id,
    1,
    1,
    '{"amount":1}',
    CASE n % 4 WHEN 0 THEN 'often' WHEN 1 THEN 'seldom ' || n END,
    concat_ws(
        E'\n', 'all:1', CASE WHEN n % 2 = 0 THEN 'even:1' END,
        CASE WHEN n = current_setting('plans.last')::bigint THEN (SELECT string_agg('many:' || m, E'\n') FROM generate_series(10, 38) AS m) END,
        'rare:' || n % (current_setting('plans.last')::bigint / 5)
    )
FROM generate_series(current_setting('plans.first')::bigint, current_setting('plans.last')::bigint) AS n
JOIN evercore.event_types t ON t.name = 'deposited';

INSERT INTO evercore.event_tags (tag, event_type_id, position)
SELECT ('x' || encode(substr(sha256(convert_to(t.tag, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint, e.event_type_id, e.position
FROM evercore.events e
CROSS JOIN LATERAL string_to_table(e.tags, E'\n') AS t(tag)
WHERE e.position >= current_setting('plans.first')::bigint;

INSERT INTO evercore.snapshots (aggregate_id, sequence, fingerprint, state)
SELECT a.id, 1, 1, '{}' FROM evercore.aggregates a;

INSERT INTO evercore.commits (id, landed, first_position, last_position, recorded_at, idempotency_key, command, result)
SELECT
    gen_random_uuid(), true, n * 10 - 9, n * 10, now(), 'key ' || n, 'command', 'result'
FROM generate_series(1, current_setting('plans.last')::bigint / 10) AS n;

INSERT INTO evercore.parked_events (subscription, position, lane, parked_at)
SELECT 'much', e.position, e.aggregate_id, now() FROM evercore.events e WHERE e.position % 10 = 0;

-- Tasks of a queue, of which few are due, each with a key; and dead ones.
INSERT INTO evercore.tasks (
    id, due, enqueued_at, attempts, version, priority, codec, queue, key, task_type, payload
)
SELECT
    gen_random_uuid(), now() + CASE WHEN n % 60 = 0 THEN interval '-1 second' ELSE interval '1 day' END, now(), 0, 1, n % 3, 1,
    'many', 'key ' || n, 'errand', '{"number":1}'
FROM generate_series(current_setting('plans.first')::bigint, current_setting('plans.last')::bigint) AS n;

INSERT INTO evercore.ended_tasks (
    id, due, enqueued_at, ended_at, attempts, version, priority, codec, queue, task_type, payload, failure, reason
)
SELECT
    gen_random_uuid(), now(), now(), now(), 1, 1, 1, 1, 'many', 'errand', '{"number":1}', 'it failed',
    CASE WHEN n % 2 = 0 THEN 'no use' END
FROM generate_series(1, current_setting('plans.last')::bigint) AS n;

-- Outcomes of commands: few are rejected, few are of a type, and few have the same aggregate and correlation id.
INSERT INTO evercore.command_log (
    id, commit_id, sent_at, ended_at, aggregate_id, took, command, aggregate_type, correlation_id, rejection
)
SELECT
    gen_random_uuid(), c.id, now(), now() - c.n * interval '1 second', 1 + c.n % 500, 17,
    CASE WHEN c.n % 100 = 0 THEN 'seldom' ELSE 'often' END, 'account', 'correlation ' || c.n % 500,
    CASE WHEN c.n % 100 = 1 THEN 'no' END
FROM (SELECT id, row_number() OVER () AS n FROM evercore.commits) AS c;

SELECT setval('evercore.event_positions', current_setting('plans.last')::bigint);

UPDATE evercore.aggregate_ids SET last = current_setting('plans.last')::bigint;
