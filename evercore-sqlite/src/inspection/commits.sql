-- Commits in the order of their ids, and whether the events are there that they refer to.
-- ?1 only commits after this id    ?2 the most commits
SELECT
    c.id, c.outcome, c.first_position, f.position IS NOT NULL, c.last_position, l.position IS NOT NULL,
    c.idempotency_key
FROM commits AS c
LEFT JOIN events AS f ON f.position = c.first_position
LEFT JOIN events AS l ON l.position = c.last_position
WHERE c.id > ?1
ORDER BY c.id
LIMIT ?2;
