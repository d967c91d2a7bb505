-- ?1 [[number, token], …] as JSON    ?2 owner    ?3 duration of the lease in microseconds
UPDATE tasks
SET
    token = lease.value ->> 1,
    owner = ?2,
    attempts = attempts + 1,
    due = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3
FROM json_each(?1) AS lease
WHERE number = lease.value ->> 0;
