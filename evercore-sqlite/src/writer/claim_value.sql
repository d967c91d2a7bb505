-- ?1 aggregate type id    ?2 name    ?3 value    ?4 aggregate id
INSERT INTO unique_values (aggregate_type_id, name, value, aggregate_id)
VALUES (?1, ?2, ?3, ?4);
