-- $1, $2, $3: only events after this position, aggregate and sequence; $4: the most events.
SELECT e.aggregate_id, e.sequence, e.position
FROM evercore.events e
WHERE (e.position, e.aggregate_id, e.sequence)
        > ((SELECT $1::bigint), (SELECT $2::bigint), (SELECT $3::bigint))
    AND e.position >= (SELECT $1::bigint)
    AND e.position <= 9223372036854775807
ORDER BY e.position, e.aggregate_id, e.sequence
LIMIT (SELECT $4::bigint)
