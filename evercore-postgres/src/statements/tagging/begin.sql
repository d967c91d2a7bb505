-- $1, $2: the names of aggregate and event types; $3: names of tags.
SELECT evercore.begin_tagging($1, $2, $3)
