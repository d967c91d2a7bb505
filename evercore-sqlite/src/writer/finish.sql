-- Notes the commits of a group and ends its transaction. Follows the last events in the same call.
-- ? commits, as a JSON array of [id in hexadecimal, first position, last position, recorded at, idempotency key, command,
--   result]
INSERT INTO commits (
    id, outcome, first_position, last_position, recorded_at, idempotency_key, command, result
)
SELECT
    unhex(value ->> 0), 1, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each(?);
COMMIT;
