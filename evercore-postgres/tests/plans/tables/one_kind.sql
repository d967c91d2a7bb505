-- A thousand events of the first aggregate, all with one correlation id and one tag.
INSERT INTO evercore.aggregates (id, aggregate_type_id, natural_key)
SELECT 1, t.id, 'account 1' FROM evercore.aggregate_types t WHERE t.name = 'account';

INSERT INTO evercore.events (
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version, codec, payload, correlation_id,
    tags
)
SELECT
    n, 1, n, now(), now(), (SELECT t.id FROM evercore.event_types t WHERE t.name = 'deposited'), 1, 1, '{"amount":1}',
    'often', 'all:1'
FROM generate_series(1, 1000) AS n;

INSERT INTO evercore.event_tags (tag, event_type_id, position)
SELECT ('x' || encode(substr(sha256(convert_to(e.tags, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint, e.event_type_id, e.position
FROM evercore.events e;
