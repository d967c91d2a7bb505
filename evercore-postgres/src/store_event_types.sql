-- $1: the names of the aggregate types; $2: those of their events.
INSERT INTO evercore.event_types (aggregate_type_id, name)
SELECT a.id, given.event_type
FROM unnest($1::text[], $2::text[]) AS given(aggregate_type, event_type)
JOIN evercore.aggregate_types a ON a.name = given.aggregate_type
ORDER BY a.id, given.event_type
ON CONFLICT (aggregate_type_id, name) DO NOTHING
