-- Deletes the samples of ANALYZE. The table exists once ANALYZE has run.
DELETE FROM sqlite_stat4
WHERE tbl IN (
    'aggregate_ids', 'aggregate_types', 'aggregates', 'command_log', 'commits', 'declarations', 'discarded_events',
    'ended_tasks', 'event_tags', 'event_type_tags', 'event_types', 'events', 'evercore_migrations', 'parked_events',
    'paused_queues', 'snapshots', 'subscription_partitions', 'subscription_tokens', 'subscriptions', 'task_tokens',
    'tasks', 'unique_names', 'unique_values'
);
