-- $1: the name; $2: whether it is paused
UPDATE evercore.subscriptions SET paused = $2 WHERE name = $1
