-- The bytes of the store's tables and their indexes.
SELECT
    s.tbl_name AS belongs_to,
    sum(d.pgsize) FILTER (WHERE s.type = 'table') AS rows,
    coalesce(sum(d.pgsize) FILTER (WHERE s.type = 'index'), 0) AS indexes
FROM dbstat d
JOIN sqlite_schema s ON s.name = d.name
GROUP BY 1
