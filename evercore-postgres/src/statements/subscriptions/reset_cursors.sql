-- $1: the subscription; $2: the cursor
UPDATE evercore.subscription_partitions SET cursor = $2, failure = NULL WHERE subscription = $1
