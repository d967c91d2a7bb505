-- $1: only commits after this id; $2: the most commits.
--
-- Commits in the order of their ids, and whether the events are there that they refer to.
SELECT
    c.id, c.landed,
    c.first_position, EXISTS (SELECT FROM evercore.events e WHERE e.position = c.first_position),
    c.last_position, EXISTS (SELECT FROM evercore.events e WHERE e.position = c.last_position),
    c.idempotency_key
FROM evercore.commits c
WHERE c.id > $1
ORDER BY c.id
LIMIT $2
