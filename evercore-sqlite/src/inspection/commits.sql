-- Lists commits in the order of their ids, and whether the events that they refer to exist.
-- ?1 only commits after this id    ?2 the most commits
SELECT
    c.id, c.outcome,
    c.first_position, EXISTS (SELECT 1 FROM events AS e WHERE e.position = c.first_position),
    c.last_position, EXISTS (SELECT 1 FROM events AS e WHERE e.position = c.last_position),
    c.idempotency_key
FROM commits AS c
WHERE c.id > ?1
ORDER BY c.id
LIMIT ?2;
