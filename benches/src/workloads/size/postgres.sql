-- The bytes of the store's tables and their indexes, as whole pages of the main fork.
SELECT
    coalesce(i.indrelid, c.oid)::regclass::text AS belongs_to,
    (sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'r'))::bigint AS rows,
    coalesce(sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'i'), 0)::bigint AS indexes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname = 'evercore' AND c.relkind IN ('r', 'i')
GROUP BY 1
