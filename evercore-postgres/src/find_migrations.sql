-- Reads the catalogue and does not call `to_regclass`: a session caches that a name is missing, even across the wait
-- for a lock.
SELECT EXISTS (
    SELECT
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'evercore' AND c.relname = 'evercore_migrations'
)
