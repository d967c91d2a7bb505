-- $1 correlation    $3 command            $5 from this time     $7 after this time    $9 most outcomes
-- $2 aggregate      $4 whether rejected   $6 before this time   $8 after this id
-- All but the last may be NULL. One of the lines with `OR` is replaced by the condition itself, so that its index is used.
SELECT
    l.id, l.sent_at, l.ended_at, l.aggregate_id, l.took, l.command, l.aggregate_type, l.correlation_id, l.causation_id,
    l.principal, l.rejection, l.commit_id, c.first_position, c.last_position, c.positions
FROM (
    SELECT *
    FROM evercore.command_log l
    WHERE ($1::text IS NULL OR l.correlation_id = $1)
        AND ($2::bigint IS NULL OR l.aggregate_id = $2)
        AND ($3::text IS NULL OR l.command = $3)
        AND ($4::boolean IS NULL OR (l.rejection IS NOT NULL) = $4)
        AND l.ended_at >= coalesce($5::timestamptz, '-infinity')
        AND l.ended_at < coalesce($6::timestamptz, 'infinity')
        AND (l.ended_at, l.id) < (
            coalesce($7::timestamptz, 'infinity'), coalesce($8::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        )
    ORDER BY l.ended_at DESC, l.id DESC
    LIMIT $9
) AS l
JOIN evercore.commits c ON c.id = l.commit_id
ORDER BY l.ended_at DESC, l.id DESC
