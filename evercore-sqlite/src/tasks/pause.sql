-- ?1 queue
INSERT OR IGNORE INTO paused_queues (queue) VALUES (?1);
