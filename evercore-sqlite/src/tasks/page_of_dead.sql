-- ?1 queue    ?2 after this id    ?3 number
SELECT id FROM ended_tasks WHERE queue = ?1 AND (reason IS NULL) = TRUE AND id > ?2 ORDER BY id LIMIT ?3;
