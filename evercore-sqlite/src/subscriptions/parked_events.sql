-- Parked events, in position order. The events come as a page does, and what is known of their parking as a second list.
-- ?1 subscription                      ?4 partition
-- ?2 only events after this position   ?5 number of partitions
-- ?3 the most events                   ?6 whether only those that are to be redriven
WITH page AS MATERIALIZED (
    SELECT kept.position, kept.reason, kept.attempts, kept.parked_at, kept.redrive
    FROM parked_events AS kept
    WHERE
        kept.subscription = ?1
        AND kept.position > ?2
        AND kept.aggregate_id % ?5 = ?4
        AND (kept.redrive OR NOT ?6)
    ORDER BY kept.position
    LIMIT ?3
)
SELECT
    json_group_array(json_array(
        e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec,
        length(e.payload), e.event_time, e.recorded_at,
        e.reference, e.correlation_id, e.causation_id, e.metadata
    )) AS events,
    CAST(group_concat(e.payload, '') AS BLOB) AS payloads,
    json_group_array(json_array(p.reason, p.attempts, p.parked_at, p.redrive)) AS parkings
FROM page AS p
CROSS JOIN events AS e
WHERE e.position = p.position;
