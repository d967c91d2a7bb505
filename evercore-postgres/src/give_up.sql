-- $1: the commit. Waits for it if it is on its way.
INSERT INTO evercore.commits (id, landed, recorded_at)
VALUES ($1, false, now())
ON CONFLICT (id) DO NOTHING
