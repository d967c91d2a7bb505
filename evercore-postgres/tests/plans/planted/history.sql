SELECT *
FROM evercore.events
WHERE aggregate_id = 1 AND sequence > 100 AND sequence <= 9223372036854775807
ORDER BY sequence
LIMIT 500
