-- ?1 queue    ?2 id    ?3 reason
UPDATE ended_tasks
SET reason = ?3, ended_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE queue = ?1 AND id = ?2 AND reason IS NULL;
