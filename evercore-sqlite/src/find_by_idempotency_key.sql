-- ?1 idempotency key
SELECT id, first_position, last_position, command, result
FROM commits
WHERE idempotency_key = ?1;
