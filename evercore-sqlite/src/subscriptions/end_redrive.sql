-- Ends the redrive of the lanes on which the handler has failed again.
-- INDEXED BY: as in `redrive_lane.sql`.
-- ?1 subscription    ?2 events as JSON, [[position, lane, reason or null, …], …]
UPDATE parked_events INDEXED BY parked_events_by_lane
SET redrive = 0
WHERE
    subscription = ?1
    AND redrive = 1
    AND lane IN (
        SELECT n.value ->> 1
        FROM json_each(?2) AS n
        -- An event that was discarded meanwhile ends no redrive. Without CROSS, SQLite could loop over all parked
        -- events.
        CROSS JOIN parked_events AS kept ON kept.subscription = ?1 AND kept.position = n.value ->> 0
        WHERE n.value ->> 2 IS NOT NULL
    );
