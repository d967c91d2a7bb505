//! Events that were put aside.

use chrono::{DateTime, Utc};

use crate::RecordedEvent;

/// An event that a subscription has put aside, since its handler failed on it, or on an earlier event of its aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedEvent {
    /// The event.
    pub event: RecordedEvent,
    /// What the handler failed with; `None` for an event that waits for an earlier one of its aggregate.
    pub reason: Option<String>,
    /// How often the handler was given it, not counting retries within one delivery.
    pub attempts: u32,
    /// When it was parked last, by the database's time.
    pub parked_at: DateTime<Utc>,
    /// Whether it is to be handled again.
    pub redrive: bool,
}
