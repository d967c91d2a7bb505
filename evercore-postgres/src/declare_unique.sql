-- $1: the names of aggregate types. $2: the names of unique values.
SELECT evercore.declare_unique($1, $2)
