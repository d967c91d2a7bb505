//! Where a subscription begins.

use chrono::{DateTime, Utc};

use crate::time_range::check_time;
use crate::{Clock, Error, Position, Result};

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
