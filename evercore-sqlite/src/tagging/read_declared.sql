-- Reads the tags that programs have declared.
SELECT owner.name, t.name, d.name, d.state, d.done
FROM event_type_tags AS d
JOIN event_types AS t ON t.id = d.event_type_id
JOIN aggregate_types AS owner ON owner.id = t.aggregate_type_id;
