-- $1: the channel; $2: the process. A crash that loses this commit loses no data, so it does not wait for an fsync.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)
