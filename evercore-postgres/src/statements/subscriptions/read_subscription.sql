-- $1: the name. Waits for whoever is changing it, and keeps nobody from parking events.
SELECT filter, partitions FROM evercore.subscriptions WHERE name = $1 FOR NO KEY UPDATE
