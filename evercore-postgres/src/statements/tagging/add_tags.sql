-- $1 … $4: events; $5 … $7: declared tags; $8: the position up to which all events have them; $9: whether that is all.
SELECT evercore.add_tags($1, $2, $3, $4, $5, $6, $7, $8, $9)
