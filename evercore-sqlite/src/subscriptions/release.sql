-- ?1 subscription    ?2 partition    ?3 token
UPDATE subscription_partitions
SET token = 0, owner = NULL, leased_until = NULL
WHERE subscription = ?1 AND number = ?2 AND token = ?3;
