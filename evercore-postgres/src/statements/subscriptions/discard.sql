-- $1: the subscription; $2: the position; $3: the name of the person or program that discards it; $4: the reason
WITH gone AS (
    DELETE FROM evercore.parked_events k
    WHERE k.subscription = $1 AND k.position = $2
    RETURNING k.*
)
INSERT INTO evercore.discarded_events (
    subscription, position, failure, attempts, parked_at, discarded_at, discarded_by, reason
)
SELECT
    g.subscription, g.position, g.reason, g.attempts, g.parked_at, clock_timestamp(), $3, $4
FROM gone g
ON CONFLICT (subscription, position) DO UPDATE
SET failure = excluded.failure,
    attempts = excluded.attempts,
    parked_at = excluded.parked_at,
    discarded_at = excluded.discarded_at,
    discarded_by = excluded.discarded_by,
    reason = excluded.reason
