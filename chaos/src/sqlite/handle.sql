-- ?1 position    ?2 aggregate    ?3 sequence    ?4 worker
INSERT INTO handled (position, aggregate_id, sequence, worker) VALUES (?1, ?2, ?3, ?4);
