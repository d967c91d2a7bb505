-- $1: the name. Waits for whoever is changing it.
SELECT filter, partitions FROM evercore.subscriptions WHERE name = $1 FOR UPDATE
