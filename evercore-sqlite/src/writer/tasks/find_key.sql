-- ?1 queue    ?2 key
SELECT id FROM tasks WHERE queue = ?1 AND key = ?2;
