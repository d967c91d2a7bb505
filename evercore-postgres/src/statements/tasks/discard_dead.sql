-- $1 queue    $2 id, or NULL for all    $3 reason
UPDATE evercore.ended_tasks t
SET reason = $3, ended_at = now()
WHERE t.queue = $1 AND t.reason IS NULL AND ($2::uuid IS NULL OR t.id = $2)
