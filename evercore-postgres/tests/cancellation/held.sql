-- Lists the resources that an engine's sessions hold.
-- $1: the sessions' application_name; $2: the number of sessions when nothing is left behind.
SELECT 'a session that is ' || state || ': ' || query
  FROM pg_stat_activity
 WHERE application_name = $1 AND state <> 'idle'
UNION ALL
SELECT 'an advisory lock'
  FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE application_name = $1 AND locktype = 'advisory' AND granted
UNION ALL
SELECT count(*) || ' connections'
  FROM pg_stat_activity
 WHERE application_name = $1
HAVING count(*) > $2
