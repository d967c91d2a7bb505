-- Not by `to_regclass`: that a name was not there is remembered by the session, also over the wait for a lock.
SELECT EXISTS (
    SELECT
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'evercore' AND c.relname = 'evercore_migrations'
)
