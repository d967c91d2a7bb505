-- $1 job    $2 aggregate    $3 event
WITH done AS (
    DELETE FROM raw_jobs WHERE id = $1 AND locked_at IS NOT NULL RETURNING id
)
INSERT INTO raw_events (aggregate_id, sequence, event_type, payload, recorded_at)
SELECT $2, 1, 'money-deposited', $3, now() FROM done
