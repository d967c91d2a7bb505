-- ?1 id    ?2 token
UPDATE tasks
SET token = NULL, owner = NULL, attempts = attempts - 1, due = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE id = ?1 AND token = ?2;
