-- ?1 subscription    ?2 partition    ?3 token
SELECT cursor FROM subscription_partitions WHERE subscription = ?1 AND number = ?2 AND token = ?3;
