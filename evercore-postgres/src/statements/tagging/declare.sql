-- $1, $2: the names of aggregate and event types; $3: names of tags; $4: states.
SELECT evercore.declare_tags($1, $2, $3, $4)
