-- $1 … $5: the commit; $6 … $11: the write; $12 … $20: events; $21 … $23: the snapshot. See the migration that defines it.
SELECT first, last, positions
FROM evercore.append_one(
    $1, $2, $3, $4, $5,
    $6, $7, $8, $9, $10, $11,
    $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23
)
