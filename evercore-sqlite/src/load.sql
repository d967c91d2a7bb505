-- An aggregate, its usable snapshot, and the first page of the events after that.
-- ?1 aggregate id, or NULL to look for the key    ?4 fingerprint of a usable snapshot, or NULL
-- ?2 id of the wanted aggregate type              ?5 the last sequence to return
-- ?3 natural key, or NULL                         ?6 the most events to return
--
-- Sequences have no holes, so a range of them is a page; the aggregate's last sequence shows if it is whole.
WITH target AS MATERIALIZED (
    SELECT
        a.id,
        a.aggregate_type_id,
        a.natural_key,
        s.sequence AS snapshot_sequence,
        s.state AS snapshot_state,
        COALESCE(s.sequence, 0) AS start
    FROM aggregates AS a
    LEFT JOIN snapshots AS s
        ON s.aggregate_id = a.id
        AND s.fingerprint = ?4
        AND s.sequence <= ?5
        AND a.aggregate_type_id = ?2
    WHERE a.id = COALESCE(
        ?1,
        (SELECT k.id FROM aggregates AS k WHERE k.aggregate_type_id = ?2 AND k.natural_key = ?3)
    )
)
SELECT
    t.id,
    t.aggregate_type_id,
    t.natural_key,
    t.snapshot_sequence,
    t.snapshot_state,
    json_group_array(CASE
        WHEN COALESCE(e.reference, e.correlation_id, e.causation_id, e.metadata) IS NULL
        THEN json_array(
            e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec,
            length(e.payload), e.event_time, e.recorded_at
        )
        ELSE json_array(
            e.position, e.aggregate_id, e.sequence, e.event_type_id, e.version, e.codec,
            length(e.payload), e.event_time, e.recorded_at,
            e.reference, e.correlation_id, e.causation_id, e.metadata
        )
    END) FILTER (WHERE e.position IS NOT NULL) AS events,
    CAST(group_concat(e.payload, '') AS BLOB) AS payloads,
    (SELECT MAX(h.sequence) FROM events AS h WHERE h.aggregate_id = t.id) AS head
FROM target AS t
LEFT JOIN events AS e
    ON e.aggregate_id = t.id
    AND t.aggregate_type_id = ?2
    AND e.sequence > t.start
    AND e.sequence <= MIN(?5, t.start + ?6);
