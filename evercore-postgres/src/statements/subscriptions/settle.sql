-- $1: the subscription; $2: the partition; $3: the token
-- $4, $5: where the cursor must stand, and where it moves to; NULL to leave it
-- $6: a parked event that was handled; $7: the handler's failure, or NULL
-- $8, $9, $10, $11: positions, lanes and reasons of the parked events, and the times after which they are redriven
SELECT evercore.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
