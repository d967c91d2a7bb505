-- $1 … $5: the commit; $6 … $11: the write; $12 … $22: events; $23 … $25: the snapshot; $26, $27: locks on tags; $28, $29:
-- conditions; $30 … $35: their atoms; $36 … $39: tasks that are done; $40 … $55: changes of tasks; $56: the version of the
-- declarations; $57: outcomes of commands, as JSON. See the migration that defines it.
SELECT first, last, positions
FROM evercore.append_one(
    $1, $2, $3, $4, $5,
    $6, $7, $8, $9, $10, $11,
    $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25,
    $26, $27, $28, $29,
    $30, $31, $32, $33, $34, $35,
    $36, $37, $38, $39,
    $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55,
    $56, $57::text::jsonb
)
