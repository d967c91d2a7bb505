-- ?1 id           ?3 command          ?5 aggregate    ?7 principal      ?9 causation id    ?11 duration in microseconds
-- ?2 commit       ?4 aggregate type   ?6 rejection    ?8 correlation id ?10 sent at
INSERT INTO command_log (
    id, commit_id, command, aggregate_type, aggregate_id, rejection, principal, correlation_id, causation_id, sent_at,
    took, ended_at
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
