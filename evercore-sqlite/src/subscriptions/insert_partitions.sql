-- ?1 subscription    ?2 number of partitions    ?3 cursor
WITH RECURSIVE numbers (number) AS (
    SELECT 0
    UNION ALL
    SELECT number + 1 FROM numbers WHERE number + 1 < ?2
)
INSERT INTO subscription_partitions (subscription, number, cursor)
SELECT ?1, number, ?3 FROM numbers;
