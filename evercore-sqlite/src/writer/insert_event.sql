-- ?1 aggregate id     ?4 version     ?7 event time        ?10 correlation id, or NULL
-- ?2 sequence         ?5 codec       ?8 recorded at       ?11 causation id, or NULL
-- ?3 event type id    ?6 payload     ?9 reference, or NULL ?12 metadata, or NULL
INSERT INTO events (
    aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at,
    reference, correlation_id, causation_id, metadata
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);
