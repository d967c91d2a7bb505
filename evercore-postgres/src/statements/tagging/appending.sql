-- $1: virtual transactions, or NULL for all. Returns those of them that append and have not ended.
SELECT coalesce(array_agg(DISTINCT f.virtual_transaction), '{}')
FROM evercore.floors(0) AS f
WHERE $1::text[] IS NULL OR f.virtual_transaction = ANY ($1)
