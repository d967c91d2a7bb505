-- $1: the subscription; $2: the partition; $3: the token; $4: the worker that asks; $5: the time that the request stays
-- valid
UPDATE evercore.subscription_partitions
SET wanted_by = $4, wanted_until = clock_timestamp() + $5
WHERE subscription = $1
    AND number = $2
    AND token = $3
    AND (wanted_until IS NULL OR wanted_until <= clock_timestamp())
