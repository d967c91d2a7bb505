-- $1: the commit. Waits for it if it is under way.
INSERT INTO evercore.commits (id, landed, recorded_at)
VALUES ($1, false, now())
ON CONFLICT (id) DO NOTHING
