-- ?1 aggregate type id    ?2 name    ?3 value
SELECT aggregate_id
FROM unique_values
WHERE aggregate_type_id = ?1 AND name = ?2 AND value = ?3;
