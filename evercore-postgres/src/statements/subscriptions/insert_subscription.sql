-- $1: the name; $2: the filter; $3: the number of partitions
INSERT INTO evercore.subscriptions (name, filter, partitions)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
