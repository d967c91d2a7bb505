-- $1 queue    $2 ids. See the migration that defines it.
SELECT evercore.revive_tasks($1, $2)
