-- $1 first id                                      $4 number of these accounts
-- $2 number of events                             $5 number of events of the other accounts
-- $3 distance of the events of long accounts       $6 payload
WITH deposit AS (
    SELECT e.id
    FROM evercore.event_types AS e
    JOIN evercore.aggregate_types AS a ON a.id = e.aggregate_type_id
    WHERE a.name = 'account' AND e.name = 'money-deposited'
)
INSERT INTO evercore.events (
    aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at
)
SELECT
    $1 + CASE WHEN i % $3 = 0 THEN (i / $3) % $4 ELSE $4 + (i - i / $3 - 1) / $5 END,
    1 + CASE WHEN i % $3 = 0 THEN (i / $3) / $4 ELSE (i - i / $3 - 1) % $5 END,
    deposit.id, 1, 1, $6, now(), now()
FROM generate_series(0, $2 - 1) AS i
CROSS JOIN deposit
ORDER BY i
