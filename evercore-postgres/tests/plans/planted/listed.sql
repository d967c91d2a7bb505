-- Finds events with two tags by going through all that have the first.
SELECT t.position
FROM (
    SELECT l.event_type_id, l.position
    FROM evercore.event_tags l
    WHERE l.tag = ('x' || encode(substr(sha256('all:1'), 1, 8), 'hex'))::bit(64)::bigint
    OFFSET 0
) AS t
WHERE EXISTS (
    SELECT
    FROM evercore.event_tags u
    WHERE u.tag = ('x' || encode(substr(sha256('rare:5000'), 1, 8), 'hex'))::bit(64)::bigint
        AND u.event_type_id = t.event_type_id
        AND u.position = t.position
)
ORDER BY t.position
LIMIT 500
