-- $1: the subscription; $2: the worker; $3: the duration of the lease; $4: the filter; $5: the number of partitions
SELECT
    outcome, number, token, cursor, has_parked, owner, leased_until, stored_filter, stored_partitions
FROM evercore.acquire_lease($1, $2, $3, $4, $5)
