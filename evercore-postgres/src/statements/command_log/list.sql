-- $1 correlation    $3 command            $5 from this time     $7 after this time    $9 most outcomes
-- $2 aggregate      $4 whether rejected   $6 before this time   $8 after this id
-- All but the last may be NULL. See the migration that defines the function.
SELECT
    l.id, l.sent_at, l.ended_at, l.aggregate_id, l.took, l.command, l.aggregate_type, l.correlation_id, l.causation_id,
    l.principal, l.rejection, l.commit_id, c.first_position, c.last_position, c.positions
FROM evercore.list_commands($1, $2, $3, $4, $5, $6, $7, $8, $9) AS l
CROSS JOIN LATERAL (
    SELECT c.first_position, c.last_position, c.positions
    FROM evercore.commits c
    WHERE c.id = l.commit_id
    -- Looked up for each outcome, and not joined.
    OFFSET 0
) AS c
ORDER BY l.ended_at DESC, l.id DESC
