-- Makes a waiting task due at once, with all its attempts.
-- $1 queue    $2 id
UPDATE evercore.tasks t SET due = now(), attempts = 0 WHERE t.queue = $1 AND t.id = $2 AND t.token IS NULL
