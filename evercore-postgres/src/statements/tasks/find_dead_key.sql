-- $1 queue    $2 id
SELECT t.key FROM evercore.ended_tasks t WHERE t.queue = $1 AND t.id = $2 AND t.reason IS NULL
