-- $1 queue    $2 ids    $3 reason. See the migration that defines it.
SELECT evercore.discard_tasks($1, $2, $3)
