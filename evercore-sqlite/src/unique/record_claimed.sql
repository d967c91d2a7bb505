-- Records that the values with some names are claimed.
-- ?1 names, as a JSON array of [aggregate type, name]    ?2 the id up to which they are    ?3 whether all are
UPDATE unique_names
SET claimed_up_to = MAX(claimed_up_to, ?2), is_complete = MAX(is_complete, ?3)
WHERE (aggregate_type, name) IN (
    SELECT named.value ->> 0, named.value ->> 1 FROM json_each(?1) AS named
);
