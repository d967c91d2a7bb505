-- $1: the time; $2: the end of the log. Returns the position before the first event recorded at this time or later.
SELECT coalesce(
    (
        SELECT e.position - 1
        FROM evercore.events e
        WHERE e.recorded_at >= $1 AND e.position <= $2
        ORDER BY e.position
        LIMIT 1
    ),
    $2
)
