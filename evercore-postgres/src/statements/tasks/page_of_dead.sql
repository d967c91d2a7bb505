-- $1 queue    $2 after this id    $3 most tasks
SELECT t.id FROM evercore.ended_tasks t WHERE t.queue = $1 AND t.reason IS NULL AND t.id > $2 ORDER BY t.id LIMIT $3
