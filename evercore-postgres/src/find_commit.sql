-- $1: the commit.
SELECT landed, first_position, last_position, positions
FROM evercore.commits
WHERE id = $1
