-- ?1 id    ?2 token
DELETE FROM tasks WHERE id = ?1 AND token = ?2;
