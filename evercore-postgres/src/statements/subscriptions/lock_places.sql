-- $1: the subscription. Where its partitions stand and who owns them, held as they are.
SELECT
    cursor,
    CASE WHEN leased_until > clock_timestamp() THEN owner END
FROM evercore.subscription_partitions
WHERE subscription = $1
ORDER BY number
FOR UPDATE
