-- $1: the idempotency key.
SELECT id, first_position, last_position, command, result, positions
FROM evercore.commits
WHERE idempotency_key = $1
