-- $1: only commits after this id; $2: the most commits.
--
-- Commits in the order of their ids, and whether the events are there that they refer to: each looked up by itself, where
-- EXISTS would let the server read the whole log for a page.
SELECT
    c.id, c.landed,
    c.first_position, (SELECT true FROM evercore.events e WHERE e.position = c.first_position LIMIT 1) IS NOT NULL,
    c.last_position, (SELECT true FROM evercore.events e WHERE e.position = c.last_position LIMIT 1) IS NOT NULL,
    c.idempotency_key
FROM evercore.commits c
WHERE c.id > $1
ORDER BY c.id
LIMIT $2
