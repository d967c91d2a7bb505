-- $1: names. Stored in one order, so that two processes cannot deadlock.
INSERT INTO evercore.aggregate_types (name)
SELECT name
FROM unnest($1::text[]) AS name
ORDER BY name
ON CONFLICT (name) DO NOTHING
