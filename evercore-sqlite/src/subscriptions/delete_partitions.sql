-- ?1 subscription
DELETE FROM subscription_partitions WHERE subscription = ?1;
