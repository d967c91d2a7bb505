-- Where events are, in the order of their positions.
-- ?1, ?2, ?3 only those after this position, aggregate and sequence    ?4 the most
SELECT aggregate_id, sequence, position
FROM events
WHERE (position, aggregate_id, sequence) > (?1, ?2, ?3)
ORDER BY position, aggregate_id, sequence
LIMIT ?4;
