//! The SQL of subscriptions, made for the engine's schema.

use crate::options::Schema;
use crate::statements::Statement;

/// Every statement of subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionStatements {
    pub(super) acquire: Statement,
    pub(super) ask_for: Statement,
    pub(super) delete: Statement,
    pub(super) delete_partitions: Statement,
    pub(super) discard: Statement,
    pub(super) discarded_events: Statement,
    pub(super) find_parked: Statement,
    pub(super) find_start: Statement,
    pub(super) forget_parked: Statement,
    pub(super) head: Statement,
    pub(super) heartbeat: Statement,
    pub(super) insert_partitions: Statement,
    pub(super) insert_subscription: Statement,
    pub(super) last_position: Statement,
    pub(super) list: Statement,
    pub(super) lock_places: Statement,
    pub(super) parked_aggregates: Statement,
    pub(super) parked_events: Statement,
    pub(super) read_matching: Statement,
    pub(super) read_subscription: Statement,
    pub(super) redrive: Statement,
    pub(super) redrive_aggregate: Statement,
    pub(super) redrive_event: Statement,
    pub(super) release: Statement,
    pub(super) reset_cursors: Statement,
    pub(super) set_paused: Statement,
    pub(super) settle: Statement,
    pub(super) take_away: Statement,
    pub(super) update_subscription: Statement,
}

impl SubscriptionStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            acquire: statement(include_str!("acquire.sql")),
            ask_for: statement(include_str!("ask_for.sql")),
            delete: statement(include_str!("delete.sql")),
            delete_partitions: statement(include_str!("delete_partitions.sql")),
            discard: statement(include_str!("discard.sql")),
            discarded_events: statement(include_str!("discarded_events.sql")),
            find_parked: statement(include_str!("find_parked.sql")),
            find_start: statement(include_str!("find_start.sql")),
            forget_parked: statement(include_str!("forget_parked.sql")),
            head: statement(include_str!("head.sql")),
            heartbeat: statement(include_str!("heartbeat.sql")),
            insert_partitions: statement(include_str!("insert_partitions.sql")),
            insert_subscription: statement(include_str!("insert_subscription.sql")),
            last_position: statement(include_str!("last_position.sql")),
            list: statement(include_str!("list.sql")),
            lock_places: statement(include_str!("lock_places.sql")),
            parked_aggregates: statement(include_str!("parked_aggregates.sql")),
            parked_events: statement(include_str!("parked_events.sql")),
            read_matching: statement(include_str!("read_matching.sql")),
            read_subscription: statement(include_str!("read_subscription.sql")),
            redrive: statement(include_str!("redrive.sql")),
            redrive_aggregate: statement(include_str!("redrive_aggregate.sql")),
            redrive_event: statement(include_str!("redrive_event.sql")),
            release: statement(include_str!("release.sql")),
            reset_cursors: statement(include_str!("reset_cursors.sql")),
            set_paused: statement(include_str!("set_paused.sql")),
            settle: statement(include_str!("settle.sql")),
            take_away: statement(include_str!("take_away.sql")),
            update_subscription: statement(include_str!("update_subscription.sql")),
        }
    }
}
