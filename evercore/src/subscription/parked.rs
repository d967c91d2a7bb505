//! Shows events that were put aside, and those that were given up.

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
    /// Whether it is to be handled again now.
    pub redrive: bool,
    /// When it is handled again by itself, by the database's time.
    pub redrive_at: Option<DateTime<Utc>>,
}

/// A parked event that was discarded: it will not be handled.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscardedEvent {
    /// The event.
    pub event: RecordedEvent,
    /// What the handler failed with; `None` for an event that waited for an earlier one of its aggregate.
    pub failure: Option<String>,
    /// How often the handler was given it, not counting retries within one delivery.
    pub attempts: u32,
    /// When it was parked last, by the database's time.
    pub parked_at: DateTime<Utc>,
    /// When it was discarded, by the database's time.
    pub discarded_at: DateTime<Utc>,
    /// Who discarded it.
    pub by: String,
    /// Why.
    pub reason: String,
}
