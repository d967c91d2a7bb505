-- ?1 subscription    ?3 token    ?5 where it goes
-- ?2 partition       ?4 where the cursor has to stand
-- ?6 what the handler failed with, or NULL
UPDATE subscription_partitions
SET cursor = ?5, failure = ?6
WHERE subscription = ?1 AND number = ?2 AND token = ?3 AND cursor = ?4;
