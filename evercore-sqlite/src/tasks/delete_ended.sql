-- ?1 id
DELETE FROM ended_tasks WHERE id = ?1;
