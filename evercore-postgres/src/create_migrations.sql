CREATE TABLE IF NOT EXISTS evercore.evercore_migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
