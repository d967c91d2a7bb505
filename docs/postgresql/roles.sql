-- Two roles, and the schema between them. Run once as a superuser, in the database that is to hold the store.

-- Migrates, and owns what that makes.
CREATE ROLE bank_owner LOGIN;

-- Commits, loads and reads the log.
CREATE ROLE bank_app LOGIN;

CREATE SCHEMA evercore AUTHORIZATION bank_owner;
GRANT USAGE ON SCHEMA evercore TO bank_app;
