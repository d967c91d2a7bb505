//! Defines the clocks that a store can take the time from.

use std::fmt;
use std::sync::Mutex;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A source of the current time. A store reads the time only from its clock, so that tests can control it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that moves only when it is set or advanced. For tests.
///
/// # Example
/// ```
/// use evercore::chrono::{DateTime, TimeDelta};
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
    /// Creates a clock that shows `now`.
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

/// Truncates a time to what every engine stores: microseconds since the epoch, with a leap second as the second after
/// it. So an event shows the same time when it is first applied and when it is replayed.
pub(crate) fn to_stored_precision(time: DateTime<Utc>) -> DateTime<Utc> {
    // Only a leap second at the very end of chrono's range has no such representation.
    DateTime::from_timestamp_micros(time.timestamp_micros())
        .unwrap_or_else(|| time.trunc_subsecs(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_its_microseconds_are_read_as() {
        let times = [
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.999999999Z",
            "2017-01-01T00:00:00.0000019Z",
            "1969-12-31T23:59:59.9999999Z",
            "-262143-01-01T00:00:00.0000001Z",
            "+262142-12-31T23:59:59.9999999Z",
        ];
        let times = times.map(|text| text.parse().expect("a time"));
        for time in times.into_iter().chain([DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]) {
            let stored = to_stored_precision(time);
            let read = DateTime::from_timestamp_micros(stored.timestamp_micros());
            assert_eq!(read, Some(stored), "{time}");
            assert!((stored - time).abs() <= TimeDelta::seconds(1), "{time} is {stored}");
        }
    }
}
