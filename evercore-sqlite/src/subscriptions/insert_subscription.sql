-- ?1 name    ?2 filter    ?3 number of partitions
INSERT INTO subscriptions (name, filter, partitions) VALUES (?1, ?2, ?3);
