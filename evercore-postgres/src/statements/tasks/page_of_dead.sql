-- $1 queue    $2 after this id    $3 most tasks
SELECT t.id FROM evercore.read_dead_tasks($1, $2, $3, NULL) AS t
