-- ?1 name    ?2 filter    ?3 number of partitions
UPDATE subscriptions SET filter = ?2, partitions = ?3 WHERE name = ?1;
