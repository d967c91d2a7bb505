SELECT COALESCE(MAX(version), 0) FROM evercore_migrations;
