-- Stores the names of aggregate types that are not stored yet.
-- ?1 names, as a JSON array of [aggregate type, event type or null]
INSERT INTO aggregate_types (name)
SELECT value ->> 0
FROM json_each(?1)
WHERE TRUE
ON CONFLICT (name) DO NOTHING;
