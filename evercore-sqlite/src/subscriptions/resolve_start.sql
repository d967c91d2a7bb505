-- Returns the last position before the first event recorded at or after a time, and the end of the log.
-- ?1 the time, or NULL
SELECT
    COALESCE(
        (
            SELECT e.position - 1
            FROM events AS e
            WHERE e.recorded_at >= ?1
            ORDER BY e.position
            LIMIT 1
        ),
        (SELECT MAX(position) FROM events),
        0
    ) AS before,
    (SELECT COALESCE(MAX(position), 0) FROM events) AS head;
