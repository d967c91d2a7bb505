-- ?1 subscription    ?2 lanes as JSON
SELECT n.value
FROM json_each(?2) AS n
WHERE EXISTS (
    SELECT 1 FROM parked_events AS kept WHERE kept.subscription = ?1 AND kept.lane = n.value
);
