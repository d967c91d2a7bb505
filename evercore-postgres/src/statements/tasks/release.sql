-- $1 ids    $2 tokens. See the migration that defines it.
SELECT evercore.release_tasks($1, $2)
