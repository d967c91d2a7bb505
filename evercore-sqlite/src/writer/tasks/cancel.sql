-- ?1 queue    ?2 key
DELETE FROM tasks WHERE queue = ?1 AND key = ?2;
