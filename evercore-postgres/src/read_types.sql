SELECT
    a.id AS aggregate_type_id,
    a.name AS aggregate_type,
    e.id AS event_type_id,
    e.name AS event_type
FROM evercore.aggregate_types a
LEFT JOIN evercore.event_types e ON e.aggregate_type_id = a.id
