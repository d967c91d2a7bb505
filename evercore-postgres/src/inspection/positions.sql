-- $1, $2, $3: only events after this position, aggregate and sequence; $4: the most.
SELECT e.aggregate_id, e.sequence, e.position
FROM evercore.events e
WHERE (e.position, e.aggregate_id, e.sequence) > ($1, $2, $3)
ORDER BY e.position, e.aggregate_id, e.sequence
LIMIT $4
