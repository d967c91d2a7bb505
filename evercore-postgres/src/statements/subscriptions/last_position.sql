-- Returns the last visible event, even beyond the frontier: a start position that was just returned to a caller is not
-- beyond it.
SELECT coalesce(max(position), 0) FROM evercore.events
