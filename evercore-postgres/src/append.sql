-- $1 … $5: commits; $6 … $13: writes; $14 … $27: events; $28 … $32: snapshots; $33 … $38: unique values; $39, $40: locks
-- on tags; $41 … $44: conditions; $45 … $50: their atoms; $51 … $54: tasks that are done; $55 … $70: changes of
-- tasks; $71: the version of the declarations; $72: outcomes of commands, as JSON. See the migration that defines it.
SELECT commit_index, code, aggregate_id, sequence, name, first_position, last_position, positions
FROM evercore.append(
    $1, $2, $3, $4, $5,
    $6, $7, $8, $9, $10, $11, $12, $13,
    $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,
    $28, $29, $30, $31, $32,
    $33, $34, $35, $36, $37, $38,
    $39, $40, $41, $42, $43, $44,
    $45, $46, $47, $48, $49, $50,
    $51, $52, $53, $54,
    $55, $56, $57, $58, $59, $60, $61, $62, $63, $64, $65, $66, $67, $68, $69, $70,
    $71, $72::text::jsonb
)
