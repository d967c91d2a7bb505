//! Describes events that a subscription has parked or discarded.

use chrono::{DateTime, Utc};

use crate::RecordedEvent;

/// An event that a subscription has parked, because its handler failed on it, or on an earlier event of its
/// [lane](crate::subscription::SubscriptionBuilder::lane), which is its aggregate by default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParkedEvent {
    /// The position of the event.
    pub event: RecordedEvent,
    /// The handler's failure; `None` for an event that waits for an earlier one of its lane.
    pub reason: Option<String>,
    /// The number of times that the handler was given it, not counting retries within one delivery.
    pub attempts: u32,
    /// The time when it was parked last, by the database's clock.
    pub parked_at: DateTime<Utc>,
    /// Whether it is to be redriven now.
    pub redrive: bool,
    /// The time when it is redriven by itself, by the database's clock; `None` if it is not.
    pub redrive_at: Option<DateTime<Utc>>,
}

impl ParkedEvent {
    /// Makes an event that was parked without having been handled, and that is not to be redriven. For authors of engines.
    #[must_use]
    pub const fn new(event: RecordedEvent, parked_at: DateTime<Utc>) -> Self {
        Self { event, parked_at, reason: None, attempts: 0, redrive: false, redrive_at: None }
    }
}

/// A parked event that was discarded: it will not be handled.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DiscardedEvent {
    /// The position of the event.
    pub event: RecordedEvent,
    /// The handler's failure; `None` for an event that waited for an earlier one of its lane.
    pub failure: Option<String>,
    /// The number of times that the handler was given it, not counting retries within one delivery.
    pub attempts: u32,
    /// The time when it was parked last, by the database's clock.
    pub parked_at: DateTime<Utc>,
    /// The time when it was discarded, by the database's clock.
    pub discarded_at: DateTime<Utc>,
    /// The name of the person or program that discarded it.
    pub by: String,
    /// The reason.
    pub reason: String,
}

impl DiscardedEvent {
    /// Makes a discarded event that was parked without having been handled. For authors of engines.
    #[must_use]
    pub const fn new(
        event: RecordedEvent,
        parked_at: DateTime<Utc>,
        discarded_at: DateTime<Utc>,
        by: String,
        reason: String,
    ) -> Self {
        Self { event, parked_at, discarded_at, by, reason, failure: None, attempts: 0 }
    }
}
