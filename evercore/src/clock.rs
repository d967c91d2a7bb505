//! Where the store takes the time from.

use std::fmt;
use std::sync::Mutex;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Tells the time. The store takes it from here and nowhere else, so that tests can set it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that stands still until it is told otherwise. For tests.
///
/// # Example
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use evercore::{Clock, ManualClock};
///
/// let clock = ManualClock::new(DateTime::UNIX_EPOCH);
/// clock.advance(TimeDelta::hours(1));
/// assert_eq!(clock.now().timestamp(), 3600);
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.lock() = now;
    }

    /// Moves the clock by `delta`.
    pub fn advance(&self, delta: TimeDelta) {
        *self.lock() += delta;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, DateTime<Utc>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.lock()
    }
}

/// Cuts a time to what every engine stores: microseconds. What an event shows when it is applied is then what it shows
/// when it is replayed.
pub(crate) fn to_stored_precision(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
