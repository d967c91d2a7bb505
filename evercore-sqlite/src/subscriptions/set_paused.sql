-- ?1 name    ?2 whether it is paused
UPDATE subscriptions SET paused = ?2 WHERE name = ?1;
