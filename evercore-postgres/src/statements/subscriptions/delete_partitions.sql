-- $1: the subscription
DELETE FROM evercore.subscription_partitions WHERE subscription = $1
