-- $1 worker
UPDATE raw_jobs
SET locked_at = now(), locked_by = $1, attempts = attempts + 1
WHERE id = (
    SELECT j.id
    FROM raw_jobs j
    WHERE j.locked_at IS NULL AND j.run_at <= now()
    ORDER BY j.priority, j.run_at, j.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, payload
