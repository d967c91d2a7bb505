-- Returns the outcome of a commit, if it is known.
-- ?1 commit id
SELECT outcome, first_position, last_position
FROM commits
WHERE id = ?1;
