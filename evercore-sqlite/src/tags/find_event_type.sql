-- Returns the number of an event type.
-- ?1 name of the aggregate type    ?2 name of the event type
SELECT e.id
FROM aggregate_types AS t
JOIN event_types AS e ON e.aggregate_type_id = t.id
WHERE t.name = ?1 AND e.name = ?2;
