-- $1 first id    $2 number of accounts
INSERT INTO evercore.aggregates (id, aggregate_type_id)
SELECT $1 + n, (SELECT id FROM evercore.aggregate_types WHERE name = 'account')
FROM generate_series(0, $2 - 1) AS n
