-- $1 … $5: commits; $6 … $13: writes; $14 … $25: events; $26 … $30: snapshots. See the migration that defines it.
SELECT commit_index, code, aggregate_id, sequence, name, first_position, last_position, positions
FROM evercore.append(
    $1, $2, $3, $4, $5,
    $6, $7, $8, $9, $10, $11, $12, $13,
    $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30
)
