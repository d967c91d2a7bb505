-- $1: only commits after this id, null for all; $2: the most commits.
--
-- Commits in the order of their ids, and whether the events are there that they refer to.
SELECT
    c.id, c.landed, c.first_position, f.position IS NOT NULL, c.last_position,
    l.position IS NOT NULL, c.idempotency_key
FROM (
    SELECT *
    FROM evercore.commits
    WHERE id > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid)
    ORDER BY id
    LIMIT $2
) c
LEFT JOIN evercore.events f ON f.position = c.first_position
LEFT JOIN evercore.events l ON l.position = c.last_position
ORDER BY c.id
