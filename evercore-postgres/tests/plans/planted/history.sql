SELECT *
FROM evercore.events
WHERE aggregate_id = 1 AND sequence > 100
ORDER BY sequence
LIMIT 500
