-- $1 age    $2 most outcomes
DELETE FROM evercore.command_log
WHERE id IN (
    SELECT l.id
    FROM evercore.command_log l
    WHERE l.ended_at < now() - $1::interval
    ORDER BY l.ended_at, l.id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
