-- $1: the subscription; $2: the partition; $3: the token
-- $4, $5: where the cursor has to stand, and where it goes; NULL to leave it
-- $6: a parked event that is handled; $7: what the handler failed with
-- $8, $9, $10, $11: positions, aggregates and reasons of the events that are parked, and after how long each is redriven
SELECT evercore.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
