-- Makes a waiting task due at once, with all its attempts.
-- ?1 queue    ?2 id
UPDATE tasks
SET due = CAST(unixepoch('subsec') * 1000000 AS INTEGER), attempts = 0
WHERE queue = ?1 AND id = ?2 AND token IS NULL;
