-- Lists events in the order of their aggregates: the columns of a page, and whether the aggregate exists.
-- ?1, ?2, ?3 only events after this aggregate, sequence and position    ?4 the last aggregate    ?5 the most events
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags,
    EXISTS (SELECT 1 FROM aggregates AS a WHERE a.id = e.aggregate_id) AS has_aggregate
FROM events AS e
WHERE (e.aggregate_id, e.sequence, e.position) > (?1, ?2, ?3) AND e.aggregate_id <= ?4
ORDER BY e.aggregate_id, e.sequence, e.position
LIMIT ?5;
