-- Lists the aggregates, sequences and positions of events, in position order.
-- ?1, ?2, ?3 only events after this position, aggregate and sequence    ?4 the most events
SELECT aggregate_id, sequence, position
FROM events
WHERE (position, aggregate_id, sequence) > (?1, ?2, ?3)
ORDER BY position, aggregate_id, sequence
LIMIT ?4;
