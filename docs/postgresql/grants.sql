-- What the application needs, and nothing besides. Run as the owner, after each migration.

GRANT SELECT ON evercore.evercore_migrations TO bank_app;
GRANT SELECT ON evercore.event_log TO bank_app;

GRANT SELECT, INSERT ON evercore.aggregate_types TO bank_app;
GRANT SELECT, INSERT ON evercore.event_types TO bank_app;
GRANT SELECT, INSERT, UPDATE (state) ON evercore.event_type_tags TO bank_app;
GRANT USAGE ON SEQUENCE evercore.declarations TO bank_app;
GRANT SELECT, INSERT ON evercore.events TO bank_app;
GRANT SELECT, INSERT ON evercore.event_tags TO bank_app;
GRANT SELECT, INSERT ON evercore.commits TO bank_app;
GRANT SELECT, USAGE ON SEQUENCE evercore.event_positions TO bank_app;

GRANT SELECT, INSERT, UPDATE (natural_key) ON evercore.aggregates TO bank_app;
GRANT SELECT, INSERT, UPDATE ON evercore.snapshots TO bank_app;
GRANT SELECT, INSERT, DELETE ON evercore.unique_values TO bank_app;
GRANT SELECT, INSERT, UPDATE (claimed_up_to, is_complete) ON evercore.unique_names TO bank_app;
GRANT SELECT, UPDATE (last) ON evercore.aggregate_ids TO bank_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.subscriptions TO bank_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.subscription_partitions TO bank_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.parked_events TO bank_app;
GRANT SELECT, INSERT, UPDATE ON evercore.discarded_events TO bank_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.tasks TO bank_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.ended_tasks TO bank_app;
GRANT SELECT, INSERT, DELETE ON evercore.paused_queues TO bank_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON evercore.command_log TO bank_app;
GRANT USAGE ON SEQUENCE evercore.task_tokens TO bank_app;
-- SELECT for `verify` alone.
GRANT SELECT, USAGE ON SEQUENCE evercore.subscription_tokens TO bank_app;
