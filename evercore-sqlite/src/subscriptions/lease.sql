-- ?1 subscription    ?3 token    ?5 duration of the lease in microseconds
-- ?2 partition       ?4 owner    ?6 number of partitions
UPDATE subscription_partitions
SET
    token = ?3,
    owner = ?4,
    leased_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?5,
    wanted_by = NULL,
    wanted_until = NULL
WHERE subscription = ?1 AND number = ?2
RETURNING
    cursor,
    EXISTS (
        SELECT 1 FROM parked_events AS kept WHERE kept.subscription = ?1 AND kept.lane % ?6 = ?2
    );
