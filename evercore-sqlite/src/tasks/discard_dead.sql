-- ?1 queue    ?2 id, or NULL for all    ?3 reason
UPDATE ended_tasks
SET reason = ?3, ended_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE queue = ?1 AND reason IS NULL AND (?2 IS NULL OR id = ?2);
