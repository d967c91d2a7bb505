-- The planner estimates this range at half a percent of the rows, and so at less than a page.
SELECT *
FROM evercore.events e
WHERE e.position > 100 AND e.position <= 50000
ORDER BY e.position
LIMIT 500
