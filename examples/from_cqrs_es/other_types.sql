-- $1 the aggregate type that is moved
SELECT aggregate_type, COUNT(*)
FROM events
WHERE aggregate_type <> $1
GROUP BY aggregate_type
ORDER BY aggregate_type
