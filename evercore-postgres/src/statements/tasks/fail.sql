-- $1 id    $2 token    $3 failure    $4 wait
UPDATE evercore.tasks t
SET token = NULL, owner = NULL, failure = $3, due = now() + $4
WHERE t.id = $1 AND t.token = $2
