-- $1: the names of aggregate types. $2: the names of unique values. $3: the id up to which they are claimed. $4: whether
-- all are.
UPDATE evercore.unique_names u
SET claimed_up_to = greatest(u.claimed_up_to, $3), is_complete = u.is_complete OR $4
FROM unnest($1::text[], $2::text[]) AS n(aggregate_type, name)
WHERE u.aggregate_type = n.aggregate_type AND u.name = n.name
