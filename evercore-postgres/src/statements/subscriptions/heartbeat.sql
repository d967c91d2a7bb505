-- $1: subscriptions; $2: partitions; $3: tokens; $4: the durations to renew for, or NULL
SELECT head, held, paused, wanted, redrive FROM evercore.heartbeat($1, $2, $3, $4)
