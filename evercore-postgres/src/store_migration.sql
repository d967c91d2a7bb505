-- $1: the version; $2: what it does.
INSERT INTO evercore.evercore_migrations (version, description)
VALUES ($1, $2)
