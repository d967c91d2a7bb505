-- $1: the channel; $2: the process. Nothing is lost with this commit, so nobody waits for its fsync.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)
