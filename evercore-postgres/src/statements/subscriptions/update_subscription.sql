-- $1: the name; $2: the filter; $3: the number of partitions
UPDATE evercore.subscriptions SET filter = $2, partitions = $3 WHERE name = $1
