-- Parks events. An event that waits for an earlier one of its lane is redriven with that one, or at once if that
-- one was discarded meanwhile.
-- ?1 subscription    ?2 events as JSON, [[position, lane, reason or null, microseconds to its redrive or null], …]
-- ?3 whether the events are parked for the first time; if not, only those that are still parked are parked again
INSERT INTO parked_events
    (subscription, position, lane, reason, attempts, parked_at, redrive, redrive_at)
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
        WHERE kept.subscription = ?1 AND kept.lane = n.value ->> 1 AND kept.redrive = 1
    ) OR (
        n.value ->> 2 IS NULL
        AND NOT EXISTS (
            SELECT 1
            FROM parked_events AS kept
            WHERE
                kept.subscription = ?1
                AND kept.lane = n.value ->> 1
                -- `+` makes SQLite search by the lane, and not through all events parked before.
                AND +kept.position < n.value ->> 0
        )
    ),
    CAST(unixepoch('subsec') * 1000000 AS INTEGER) + (n.value ->> 3)
FROM json_each(?2) AS n
WHERE
    ?3
    OR EXISTS (
        SELECT 1
        FROM parked_events AS kept
        WHERE kept.subscription = ?1 AND kept.position = n.value ->> 0
    )
ON CONFLICT (subscription, position) DO UPDATE
SET
    reason = COALESCE(excluded.reason, reason),
    attempts = attempts + excluded.attempts,
    parked_at = excluded.parked_at,
    redrive_at = excluded.redrive_at;
