-- ?1 first id    ?2 number of accounts
WITH RECURSIVE numbers (n) AS (
    SELECT 0
    UNION ALL
    SELECT n + 1 FROM numbers WHERE n + 1 < ?2
)
INSERT INTO aggregates (id, aggregate_type_id)
SELECT ?1 + n, (SELECT id FROM aggregate_types WHERE name = 'account') FROM numbers
