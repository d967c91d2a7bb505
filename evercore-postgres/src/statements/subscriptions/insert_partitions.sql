-- $1: the subscription; $2: the number of partitions; $3: the cursor
INSERT INTO evercore.subscription_partitions (subscription, number, cursor)
SELECT $1, n, $3 FROM generate_series(0, $2::integer - 1) AS n
