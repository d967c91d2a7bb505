-- $1: only commits after this id; $2: the most commits.
--
-- Lists commits in the order of their ids, and whether the events that they refer to exist. Each event is looked up by
-- itself: with EXISTS, the server could read the whole log for a page.
SELECT
    c.id, c.landed,
    c.first_position, (SELECT true FROM evercore.events e WHERE e.position = c.first_position LIMIT 1) IS NOT NULL,
    c.last_position, (SELECT true FROM evercore.events e WHERE e.position = c.last_position LIMIT 1) IS NOT NULL,
    c.idempotency_key
FROM evercore.commits c
WHERE c.id > (SELECT $1::uuid)
    AND c.id <= 'ffffffff-ffff-ffff-ffff-ffffffffffff'
ORDER BY c.id
LIMIT (SELECT $2::bigint)
