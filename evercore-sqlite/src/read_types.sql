-- Reads all type names. The event's columns are NULL for an aggregate type without events.
SELECT
    a.id AS aggregate_type_id,
    a.name AS aggregate_type,
    e.id AS event_type_id,
    e.name AS event_type
FROM aggregate_types AS a
LEFT JOIN event_types AS e ON e.aggregate_type_id = a.id;
