-- ?1 subscription    ?2 cursor
UPDATE subscription_partitions SET cursor = ?2, failure = NULL WHERE subscription = ?1;
