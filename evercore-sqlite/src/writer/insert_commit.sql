-- Records that a commit has landed.
-- ?1 id                ?3 last position    ?5 idempotency key, or NULL    ?7 result, or NULL
-- ?2 first position    ?4 recorded at      ?6 command, or NULL
INSERT INTO commits (
    id, outcome, first_position, last_position, recorded_at, idempotency_key, command, result
)
VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7);
