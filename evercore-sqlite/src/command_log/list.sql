-- ?1 correlation    ?3 command            ?5 from this time     ?7 after this time    ?9 most outcomes
-- ?2 aggregate      ?4 whether rejected   ?6 before this time   ?8 after this id
-- ?1 to ?4 may be NULL. One of the lines with `OR` is replaced by the condition itself, so that its index is used.
SELECT
    l.id, l.sent_at, l.ended_at, l.aggregate_id, l.took, l.command, l.aggregate_type, l.correlation_id, l.causation_id,
    l.principal, l.rejection, l.commit_id, c.first_position, c.last_position
FROM command_log AS l
CROSS JOIN commits AS c ON c.id = l.commit_id
WHERE (?1 IS NULL OR l.correlation_id = ?1)
    AND (?2 IS NULL OR l.aggregate_id = ?2)
    AND (?3 IS NULL OR l.command = ?3)
    AND (?4 IS NULL OR (l.rejection IS NOT NULL) = ?4)
    AND l.ended_at >= ?5
    AND l.ended_at < ?6
    AND (l.ended_at, l.id) < (?7, ?8)
ORDER BY l.ended_at DESC, l.id DESC
LIMIT ?9;
