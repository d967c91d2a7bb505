-- Makes sure that a commit has an outcome: if it has not landed, it never will. Returns the outcome.
-- ?1 commit id
INSERT INTO commits (id, outcome, recorded_at)
VALUES (?1, 0, CAST(unixepoch('subsec') * 1000000 AS INTEGER))
ON CONFLICT (id) DO UPDATE SET outcome = outcome
RETURNING outcome, first_position, last_position;
