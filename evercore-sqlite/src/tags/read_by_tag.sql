-- Reads the events that the index names for a tag and an event type, in order, and the position that it names. An event
-- that is gone is a row of NULLs.
-- ?1 number of the tag    ?2 event type id    ?3 the first position    ?4 the last position
SELECT
    e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec, e.payload, e.event_time,
    e.recorded_at, e.reference, e.correlation_id, e.causation_id, e.metadata, e.tags, t.position
FROM event_tags AS t
LEFT JOIN events AS e ON e.position = t.position
WHERE t.tag = ?1 AND t.event_type_id = ?2 AND t.position BETWEEN ?3 AND ?4
ORDER BY t.position;
