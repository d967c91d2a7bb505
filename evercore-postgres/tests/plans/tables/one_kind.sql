-- A thousand events of the first aggregate, all with one correlation id.
INSERT INTO evercore.aggregates (id, aggregate_type_id, natural_key)
SELECT 1, t.id, 'account 1' FROM evercore.aggregate_types t WHERE t.name = 'account';

INSERT INTO evercore.events (
    position, aggregate_id, sequence, event_time, recorded_at, event_type_id, version, codec, payload, correlation_id
)
SELECT
    n, 1, n, now(), now(), (SELECT t.id FROM evercore.event_types t WHERE t.name = 'deposited'), 1, 1, '{"amount":1}',
    'often'
FROM generate_series(1, 1000) AS n;
