-- $1 the aggregate type, $2 and $3 the id and the sequence of the last row that was read, $4 the number of rows
SELECT aggregate_id, sequence, event_type, event_version, payload::text, metadata::text
FROM events
WHERE aggregate_type = $1 AND (aggregate_id, sequence) > ($2, $3)
ORDER BY aggregate_id, sequence
LIMIT $4
