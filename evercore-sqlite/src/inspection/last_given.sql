-- Returns the last position, aggregate id and token that were given out.
SELECT
    COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
    COALESCE((SELECT next_id - 1 FROM aggregate_ids), 0),
    COALESCE((SELECT last FROM subscription_tokens), 0);
