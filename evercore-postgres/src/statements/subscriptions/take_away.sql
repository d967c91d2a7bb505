-- $1: the subscription. Ends all its leases.
UPDATE evercore.subscription_partitions
SET token = 0, owner = NULL, leased_until = NULL, wanted_by = NULL, wanted_until = NULL
WHERE subscription = $1
