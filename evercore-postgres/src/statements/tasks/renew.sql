-- $1 ids    $2 tokens    $3 duration of the lease. See the migration that defines it.
SELECT evercore.renew_tasks($1, $2, $3)
