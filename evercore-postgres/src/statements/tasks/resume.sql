-- $1 queue
DELETE FROM evercore.paused_queues p WHERE p.queue = $1
