-- ?1 subscription    ?3 token                   ?5 microseconds that the request stays valid
-- ?2 partition       ?4 the worker that asks
UPDATE subscription_partitions
SET wanted_by = ?4, wanted_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?5
WHERE
    subscription = ?1
    AND number = ?2
    AND token = ?3
    AND (wanted_until IS NULL OR wanted_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER));
