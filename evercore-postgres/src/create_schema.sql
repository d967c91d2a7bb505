-- `CREATE SCHEMA IF NOT EXISTS` asks for the right to create one even where it is there.
DO $$
BEGIN
    IF to_regnamespace('evercore') IS NULL THEN
        CREATE SCHEMA evercore;
    END IF;
END
$$
