-- ?1 leases as JSON, [[subscription, partition, token, microseconds to renew for or null], …]
UPDATE subscription_partitions
SET leased_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + (b.value ->> 3)
FROM json_each(?1) AS b
WHERE
    subscription = b.value ->> 0
    AND number = b.value ->> 1
    AND token = b.value ->> 2
    AND b.value ->> 3 IS NOT NULL;
