SELECT * FROM evercore.events ORDER BY event_time, sequence OFFSET 40000
