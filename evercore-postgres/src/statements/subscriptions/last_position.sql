-- The last event there is, reachable or not: a start that somebody was just told of lies no further.
SELECT coalesce(max(position), 0) FROM evercore.events
