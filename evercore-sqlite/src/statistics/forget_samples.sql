-- Deletes the samples of ANALYZE. The table exists once ANALYZE has run.
DELETE FROM sqlite_stat4
WHERE tbl IN (
    'aggregate_ids', 'aggregate_types', 'aggregates', 'commits', 'discarded_events', 'event_types', 'events',
    'evercore_migrations', 'parked_events', 'snapshots', 'subscription_partitions', 'subscription_tokens', 'subscriptions'
);
