-- $1: the schema's name.
SELECT pg_advisory_xact_lock(hashtextextended('evercore schema ' || $1, 0))
