-- Returns the last position, aggregate id and token that were given out. A sequence has no last value until it is first
-- drawn from.
SELECT
    (SELECT CASE WHEN p.is_called THEN p.last_value ELSE 0 END FROM evercore.event_positions p),
    (SELECT coalesce(max(i.last), 0) FROM evercore.aggregate_ids i),
    (SELECT CASE WHEN t.is_called THEN t.last_value ELSE 0 END FROM evercore.subscription_tokens t)
