-- ?1 id    ?2 token
SELECT 1 FROM tasks WHERE id = ?1 AND token = ?2;
