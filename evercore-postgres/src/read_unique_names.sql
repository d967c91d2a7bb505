SELECT u.aggregate_type, u.name, u.claimed_up_to, u.is_complete
FROM evercore.unique_names u
ORDER BY u.aggregate_type, u.name
