-- Whether a queue is paused, and the time until its next task may be due, in microseconds.
-- ?1 queue
SELECT
    EXISTS (SELECT 1 FROM paused_queues WHERE queue = ?1),
    MIN(
        COALESCE((SELECT MIN(due) FROM tasks WHERE queue = ?1 AND priority = 0), 9223372036854775807),
        COALESCE((SELECT MIN(due) FROM tasks WHERE queue = ?1 AND priority = 1), 9223372036854775807),
        COALESCE((SELECT MIN(due) FROM tasks WHERE queue = ?1 AND priority = 2), 9223372036854775807)
    ),
    CAST(unixepoch('subsec') * 1000000 AS INTEGER);
