-- Finds the first parked event of the lane that a parked event belongs to.
-- ?1 subscription    ?2 position
SELECT
    (
        SELECT MIN(kept.position)
        FROM parked_events AS kept
        WHERE kept.subscription = ?1 AND kept.lane = found.lane
    ) AS first
FROM parked_events AS found
WHERE found.subscription = ?1 AND found.position = ?2;
