-- ?1 id    ?2 aggregate type id    ?3 natural key, or NULL
INSERT INTO aggregates (id, aggregate_type_id, natural_key)
VALUES (?1, ?2, ?3);
