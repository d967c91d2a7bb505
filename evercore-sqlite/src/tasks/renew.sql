-- ?1 id    ?2 token    ?3 duration of the lease in microseconds
UPDATE tasks SET due = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?3 WHERE id = ?1 AND token = ?2;
