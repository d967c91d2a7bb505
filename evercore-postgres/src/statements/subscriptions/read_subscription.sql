-- $1: the name. Waits for a transaction that changes the subscription, and does not block workers that park events.
SELECT filter, partitions FROM evercore.subscriptions WHERE name = $1 FOR NO KEY UPDATE
