-- Half a percent, is it taken for, and so for less than the page.
SELECT *
FROM evercore.events e
WHERE e.position > 100 AND e.position <= 50000
ORDER BY e.position
LIMIT 500
