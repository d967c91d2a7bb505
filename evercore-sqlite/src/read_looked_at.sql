-- Returns the last position that was looked at for a page that is not full.
-- ?1 the position before the page    ?2 the most events to look at
SELECT MAX(seen.position)
FROM (
    SELECT position
    FROM events
    WHERE position > ?1
    ORDER BY position
    LIMIT ?2
) AS seen;
