-- $1: the subscription. Returns the cursors and owners of its partitions, and locks them.
SELECT
    cursor,
    CASE WHEN leased_until > clock_timestamp() THEN owner END
FROM evercore.subscription_partitions
WHERE subscription = $1
ORDER BY number
FOR UPDATE
