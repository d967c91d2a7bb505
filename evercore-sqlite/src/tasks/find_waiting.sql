-- ?1 queue    ?2 id
SELECT 1 FROM tasks WHERE queue = ?1 AND id = ?2 AND token IS NULL;
