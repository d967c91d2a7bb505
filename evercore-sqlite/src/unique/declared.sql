-- Reads the names of unique values.
SELECT aggregate_type, name, claimed_up_to, is_complete
FROM unique_names
ORDER BY aggregate_type, name;
