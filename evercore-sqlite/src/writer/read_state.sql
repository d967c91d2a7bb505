-- Reads all that the commits of a group are judged by, in the transaction that writes them.
-- ?1 ids of the aggregates, as a JSON array
-- ?2 natural keys that are claimed, as a JSON array of [aggregate type id, key]
-- ?3 ids of the commits, as a JSON array of hexadecimal texts
-- ?4 idempotency keys of the commits, as a JSON array
SELECT
    MAX(
        COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
        COALESCE((SELECT MAX(position) FROM events), 0)
    ) AS head,
    (
        SELECT json_group_array(json_array(
            a.id,
            a.aggregate_type_id,
            a.natural_key,
            COALESCE((SELECT MAX(e.sequence) FROM events AS e WHERE e.aggregate_id = a.id), 0)
        ))
        FROM json_each(?1) AS wanted
        CROSS JOIN aggregates AS a ON a.id = wanted.value
    ) AS aggregates,
    (
        SELECT json_group_array(json_array(a.aggregate_type_id, a.natural_key, a.id))
        FROM json_each(?2) AS claim
        CROSS JOIN aggregates AS a
            ON a.aggregate_type_id = claim.value ->> 0 AND a.natural_key = claim.value ->> 1
    ) AS holders,
    (
        SELECT json_group_array(
            json_array(sent.value, c.outcome, c.first_position, c.last_position)
        )
        FROM json_each(?3) AS sent
        CROSS JOIN commits AS c ON c.id = unhex(sent.value)
    ) AS known_commits,
    (
        SELECT json_group_array(c.idempotency_key)
        FROM json_each(?4) AS wish
        CROSS JOIN commits AS c ON c.idempotency_key = wish.value
    ) AS used_idempotency_keys;
