-- ?1 id    ?2 token    ?3 failure    ?4 wait in microseconds
UPDATE tasks
SET token = NULL, owner = NULL, failure = ?3, due = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4
WHERE id = ?1 AND token = ?2;
