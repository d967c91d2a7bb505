-- ?1 subscription    ?2 aggregates as JSON
SELECT n.value
FROM json_each(?2) AS n
WHERE EXISTS (
    SELECT 1 FROM parked_events AS kept WHERE kept.subscription = ?1 AND kept.aggregate_id = n.value
);
