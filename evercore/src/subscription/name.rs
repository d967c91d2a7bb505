//! Defines the names of subscriptions, the places where they start, and their partitions.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::key::shorten;
use crate::time_range::check_time;
use crate::{AggregateId, Clock, Error, Position, Result};

/// The longest name of a subscription, and of an owner, in bytes of UTF-8.
pub const MAX_SUBSCRIPTION_NAME_BYTES: usize = 128;

/// The most partitions of a subscription.
pub const MAX_PARTITIONS: u32 = 1024;

/// The name of a durable subscription: 1 to [`MAX_SUBSCRIPTION_NAME_BYTES`] bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionName(Arc<str>);

/// The place in the log where a subscription starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Starts with the first event of the log.
    #[default]
    Beginning,
    /// Starts after the last event that is in the log now.
    End,
    /// Starts after this position, which may not lie beyond the last event of the log.
    After(Position),
    /// Starts with the first event that was recorded at this time or later, by the clock of its writer; after the last
    /// event if there is none. The time must not lie ahead of the store's clock: the place is looked up once, and
    /// events that are recorded between now and a later time would come before it.
    ///
    /// From there on, events follow in the order of the log. If the clocks of writers differ, an event that was
    /// recorded a little before the time may be among them.
    From(DateTime<Utc>),
}

/// A share of all aggregates: those whose id leaves the remainder `index` when it is divided by `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    index: u32,
    count: u32,
}

impl Start {
    /// Refuses a time that no event can have.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::From(time) => check_time("start", time),
            Self::Beginning | Self::End | Self::After(_) => Ok(()),
        }
    }

    /// Refuses a time in the future.
    pub(super) fn check_reached(self, clock: &dyn Clock) -> Result<()> {
        match (self, clock.now()) {
            (Self::From(time), now) if time > now => Err(Error::StartAhead { time, now }),
            _ => Ok(()),
        }
    }
}

impl SubscriptionName {
    /// Checks `name` and makes a subscription name of it.
    ///
    /// # Errors
    /// [`Error::InvalidSubscription`] if it is empty, too long, or holds a control character.
    pub fn new(name: &str) -> Result<Self> {
        let problem = if name.is_empty() {
            "its name is empty".to_owned()
        } else if name.len() > MAX_SUBSCRIPTION_NAME_BYTES {
            format!(
                "its name is {} bytes long, and {MAX_SUBSCRIPTION_NAME_BYTES} is the limit",
                name.len()
            )
        } else if name.contains(char::is_control) {
            "its name holds a control character".to_owned()
        } else {
            return Ok(Self(name.into()));
        };
        Err(Error::InvalidSubscription { name: shorten(name), problem })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Partition {
    /// The partition of all aggregates.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Returns the partition with this number, from 0, of `count` partitions.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`] unless `count` is 1 to [`MAX_PARTITIONS`] and `index` is below it.
    pub fn new(index: u32, count: u32) -> Result<Self> {
        if count == 0 || count > MAX_PARTITIONS {
            let (what, value) = ("number of partitions", count.into());
            return Err(Error::InvalidNumber { what, least: 1, value });
        }
        if index >= count {
            let (what, value) = ("partition", index.into());
            return Err(Error::InvalidNumber { what, least: 0, value });
        }
        Ok(Self { index, count })
    }

    /// Returns its number, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Returns the number of all partitions.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns whether an aggregate belongs to it.
    #[must_use]
    pub fn contains(self, id: AggregateId) -> bool {
        id.get() % i64::from(self.count) == i64::from(self.index)
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for SubscriptionName {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<String> for SubscriptionName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(&name)
    }
}

impl TryFrom<&String> for SubscriptionName {
    type Error = Error;

    fn try_from(name: &String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<&SubscriptionName> for SubscriptionName {
    fn from(name: &SubscriptionName) -> Self {
        name.clone()
    }
}
