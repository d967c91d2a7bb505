-- $1: the number of ids. Returns the last of them.
UPDATE evercore.aggregate_ids
SET last = last + $1
RETURNING last
