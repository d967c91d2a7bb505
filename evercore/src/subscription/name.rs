//! Names, places and shares of subscriptions.

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

/// Where to start in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first event there is.
    #[default]
    Beginning,
    /// After the last event there is now.
    End,
    /// After this position. It may not lie beyond the last event there is.
    After(Position),
    /// With the first event that was recorded at this time or later, by the clock of its writer; after the last event
    /// there is, if there is none. The time must not lie ahead of the store's clock: it is looked for once, and what is
    /// recorded between now and then would come before it.
    ///
    /// Events follow in the order of the log. Where the clocks of writers differ, one that was recorded a little earlier
    /// may be among them.
    From(DateTime<Utc>),
}

/// A share of all aggregates: those whose id leaves `index` when it is divided by `count`.
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

    /// Refuses a time that lies ahead.
    pub(super) fn check_reached(self, clock: &dyn Clock) -> Result<()> {
        match (self, clock.now()) {
            (Self::From(time), now) if time > now => Err(Error::StartAhead { time, now }),
            _ => Ok(()),
        }
    }
}

impl SubscriptionName {
    /// Checks and takes `name`.
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

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Partition {
    /// All aggregates.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The share with this number, from 0, of so many.
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

    /// Its number, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Whether an aggregate belongs to it.
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
