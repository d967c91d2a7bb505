-- $1 age    $2 most outcomes. See the migration that defines the function.
SELECT evercore.prune_commands($1, $2)
