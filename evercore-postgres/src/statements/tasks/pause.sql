-- $1 queue
INSERT INTO evercore.paused_queues (queue) VALUES ($1) ON CONFLICT DO NOTHING
