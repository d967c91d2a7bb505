-- Ends the redrive of the aggregates on which a handler has failed again.
-- ?1 subscription    ?2 events as JSON, [[position, aggregate, reason or null, …], …]
UPDATE parked_events
SET redrive = 0
WHERE
    subscription = ?1
    AND aggregate_id IN (
        SELECT n.value ->> 1
        FROM json_each(?2) AS n
        -- One that was discarded meanwhile holds nothing back.
        JOIN parked_events AS kept ON kept.subscription = ?1 AND kept.position = n.value ->> 0
        WHERE n.value ->> 2 IS NOT NULL
    );
