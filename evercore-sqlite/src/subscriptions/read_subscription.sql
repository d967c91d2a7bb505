-- ?1 name
SELECT filter, partitions, paused FROM subscriptions WHERE name = ?1;
