-- Stores the names of event types that are not stored yet. Their aggregate types must be stored.
-- ?1 names, as a JSON array of [aggregate type, event type or null]
INSERT INTO event_types (aggregate_type_id, name)
SELECT a.id, named.value ->> 1
FROM json_each(?1) AS named
JOIN aggregate_types AS a ON a.name = named.value ->> 0
WHERE named.value ->> 1 IS NOT NULL
ON CONFLICT (aggregate_type_id, name) DO NOTHING;
