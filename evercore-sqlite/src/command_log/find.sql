-- ?1 id
SELECT
    l.id, l.sent_at, l.ended_at, l.aggregate_id, l.took, l.command, l.aggregate_type, l.correlation_id, l.causation_id,
    l.principal, l.rejection, l.commit_id, c.first_position, c.last_position
FROM command_log AS l
JOIN commits AS c ON c.id = l.commit_id
WHERE l.id = ?1;
