//! Holds the SQL of subscriptions, rendered for the engine's schema.

use super::Statement;
use crate::options::Schema;

/// All statements of subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionStatements {
    pub(crate) acquire: Statement,
    pub(crate) ask_for: Statement,
    pub(crate) delete: Statement,
    pub(crate) delete_partitions: Statement,
    pub(crate) discard: Statement,
    pub(crate) discarded_events: Statement,
    pub(crate) find_parked: Statement,
    pub(crate) find_start: Statement,
    pub(crate) forget_parked: Statement,
    pub(crate) has_parked: Statement,
    pub(crate) head: Statement,
    pub(crate) heartbeat: Statement,
    pub(crate) insert_partitions: Statement,
    pub(crate) insert_subscription: Statement,
    pub(crate) last_position: Statement,
    pub(crate) list: Statement,
    pub(crate) lock_places: Statement,
    pub(crate) parked_lanes: Statement,
    pub(crate) parked_events: Statement,
    pub(crate) read_subscription: Statement,
    pub(crate) redrive: Statement,
    pub(crate) redrive_lane: Statement,
    pub(crate) redrive_event: Statement,
    pub(crate) release: Statement,
    pub(crate) reset_cursors: Statement,
    pub(crate) set_paused: Statement,
    pub(crate) settle: Statement,
    pub(crate) take_away: Statement,
    pub(crate) update_subscription: Statement,
}

impl SubscriptionStatements {
    pub(crate) fn new(schema: &Schema) -> Self {
        let statement = |sql| Statement::new(sql, schema);
        Self {
            acquire: statement(include_str!("subscriptions/acquire.sql")),
            ask_for: statement(include_str!("subscriptions/ask_for.sql")),
            delete: statement(include_str!("subscriptions/delete.sql")),
            delete_partitions: statement(include_str!("subscriptions/delete_partitions.sql")),
            discard: statement(include_str!("subscriptions/discard.sql")),
            discarded_events: statement(include_str!("subscriptions/discarded_events.sql")),
            find_parked: statement(include_str!("subscriptions/find_parked.sql")),
            find_start: statement(include_str!("subscriptions/find_start.sql")),
            forget_parked: statement(include_str!("subscriptions/forget_parked.sql")),
            has_parked: statement(include_str!("subscriptions/has_parked.sql")),
            head: statement(include_str!("subscriptions/head.sql")),
            heartbeat: statement(include_str!("subscriptions/heartbeat.sql")),
            insert_partitions: statement(include_str!("subscriptions/insert_partitions.sql")),
            insert_subscription: statement(include_str!("subscriptions/insert_subscription.sql")),
            last_position: statement(include_str!("subscriptions/last_position.sql")),
            list: statement(include_str!("subscriptions/list.sql")),
            lock_places: statement(include_str!("subscriptions/lock_places.sql")),
            parked_lanes: statement(include_str!("subscriptions/parked_lanes.sql")),
            parked_events: statement(include_str!("subscriptions/parked_events.sql")),
            read_subscription: statement(include_str!("subscriptions/read_subscription.sql")),
            redrive: statement(include_str!("subscriptions/redrive.sql")),
            redrive_lane: statement(include_str!("subscriptions/redrive_lane.sql")),
            redrive_event: statement(include_str!("subscriptions/redrive_event.sql")),
            release: statement(include_str!("subscriptions/release.sql")),
            reset_cursors: statement(include_str!("subscriptions/reset_cursors.sql")),
            set_paused: statement(include_str!("subscriptions/set_paused.sql")),
            settle: statement(include_str!("subscriptions/settle.sql")),
            take_away: statement(include_str!("subscriptions/take_away.sql")),
            update_subscription: statement(include_str!("subscriptions/update_subscription.sql")),
        }
    }
}
