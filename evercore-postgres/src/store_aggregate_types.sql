-- $1: names. In one order, so that two processes cannot wait for each other.
INSERT INTO evercore.aggregate_types (name)
SELECT name
FROM unnest($1::text[]) AS name
ORDER BY name
ON CONFLICT (name) DO NOTHING
