-- Records that a parked event is discarded.
-- ?1 subscription    ?2 position    ?3 name of the person or program that discards it    ?4 reason
INSERT OR REPLACE INTO discarded_events (
    subscription, position, failure, attempts, parked_at, discarded_at, discarded_by, reason
)
SELECT
    kept.subscription, kept.position, kept.reason, kept.attempts, kept.parked_at,
    CAST(unixepoch('subsec') * 1000000 AS INTEGER), ?3, ?4
FROM parked_events AS kept
WHERE kept.subscription = ?1 AND kept.position = ?2;
