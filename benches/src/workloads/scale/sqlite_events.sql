-- ?1 first id                                      ?4 number of these accounts
-- ?2 number of events                             ?5 number of events of the other accounts
-- ?3 distance of the events of long accounts       ?6 payload
WITH RECURSIVE numbers (i) AS (
    SELECT 0
    UNION ALL
    SELECT i + 1 FROM numbers WHERE i + 1 < ?2
)
INSERT INTO events (aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
SELECT
    ?1 + CASE WHEN i % ?3 = 0 THEN (i / ?3) % ?4 ELSE ?4 + (i - i / ?3 - 1) / ?5 END,
    1 + CASE WHEN i % ?3 = 0 THEN (i / ?3) / ?4 ELSE (i - i / ?3 - 1) % ?5 END,
    (
        SELECT e.id
        FROM event_types AS e
        JOIN aggregate_types AS a ON a.id = e.aggregate_type_id
        WHERE a.name = 'account' AND e.name = 'money-deposited'
    ),
    1, 1, ?6,
    CAST(unixepoch('subsec') * 1000000 AS INTEGER),
    CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM numbers
