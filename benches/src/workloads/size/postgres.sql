-- Bytes of the store's relations, each with what it belongs to. Pages that the server keeps of them, and no more.
SELECT
    coalesce(i.indrelid, c.oid)::regclass::text AS belongs_to,
    (sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'r'))::bigint AS rows,
    coalesce(sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'i'), 0)::bigint AS indexes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname = 'evercore' AND c.relkind IN ('r', 'i')
GROUP BY 1
