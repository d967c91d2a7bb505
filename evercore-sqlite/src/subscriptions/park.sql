-- Parks events. One that waits for an earlier one of its aggregate is redriven when that one is.
-- ?1 subscription    ?2 events as JSON, [[position, aggregate, reason or null], …]
INSERT INTO parked_events (subscription, position, aggregate_id, reason, attempts, parked_at, redrive)
SELECT
    ?1,
    n.value ->> 0,
    n.value ->> 1,
    n.value ->> 2,
    n.value ->> 2 IS NOT NULL,
    CAST(unixepoch('subsec') * 1000000 AS INTEGER),
    EXISTS (
        SELECT 1
        FROM parked_events AS kept
        WHERE kept.subscription = ?1 AND kept.aggregate_id = n.value ->> 1 AND kept.redrive
    )
FROM json_each(?2) AS n
WHERE TRUE
ON CONFLICT (subscription, position) DO UPDATE
SET
    reason = COALESCE(excluded.reason, reason),
    attempts = attempts + excluded.attempts,
    parked_at = excluded.parked_at;
