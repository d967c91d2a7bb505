-- ?1 subscription    ?3 token                          ?5 where it moves to
-- ?2 partition       ?4 where the cursor must stand    ?6 the handler's failure, or NULL
UPDATE subscription_partitions
SET cursor = ?5, failure = ?6
WHERE subscription = ?1 AND number = ?2 AND token = ?3 AND cursor = ?4;
