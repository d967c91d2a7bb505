-- ?1 subscription    ?2 partition
SELECT token, cursor FROM subscription_partitions WHERE subscription = ?1 AND number = ?2;
