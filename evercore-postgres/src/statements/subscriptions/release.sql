-- $1: the subscription; $2: the partition; $3: the token
UPDATE evercore.subscription_partitions
SET token = 0, owner = NULL, leased_until = NULL
WHERE subscription = $1 AND number = $2 AND token = $3
