SELECT to_regclass('evercore.evercore_migrations') IS NOT NULL
