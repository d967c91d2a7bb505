-- $1: the name
DELETE FROM evercore.subscriptions WHERE name = $1
