-- ?1 age in microseconds    ?2 most outcomes
DELETE FROM command_log
WHERE id IN (
    SELECT id
    FROM command_log
    WHERE ended_at < CAST(unixepoch('subsec') * 1000000 AS INTEGER) - ?1
    ORDER BY ended_at, id
    LIMIT ?2
);
