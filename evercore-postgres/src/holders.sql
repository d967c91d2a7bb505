-- $1: the last position that was drawn. Lists the transactions that hold a floor, the lowest first. A prepared
-- transaction has no process; the lock on its own transaction number leads to its name.
SELECT
    f.floor,
    f.pid,
    p.gid,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::double precision,
    a.state,
    a.query
FROM evercore.floors($1) AS f
LEFT JOIN pg_stat_activity AS a ON a.pid = f.pid
LEFT JOIN pg_locks AS number
    ON f.pid IS NULL
    AND number.pid IS NULL
    AND number.locktype = 'transactionid'
    AND number.virtualtransaction = f.virtual_transaction
LEFT JOIN pg_prepared_xacts AS p ON p.transaction = number.transactionid
ORDER BY f.floor, f.pid
LIMIT 100
