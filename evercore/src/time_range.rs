//! Checks that times are in the range that every engine can store.

use chrono::{DateTime, Utc};

use crate::engine::Commit;
use crate::{Error, Result};

/// The earliest time of an event: 1 January 4713 BC, the earliest that PostgreSQL can store. The latest is chrono's
/// maximum, in the year 262142.
pub const MIN_EVENT_TIME: DateTime<Utc> =
    DateTime::from_timestamp_secs(-210_863_520_000).expect("chrono begins earlier");

/// Refuses a time that not every engine can store.
pub(crate) fn check_time(what: &'static str, time: DateTime<Utc>) -> Result<()> {
    if time < MIN_EVENT_TIME { Err(Error::TimeOutOfRange { what, time }) } else { Ok(()) }
}

/// Refuses a commit whose time not every engine can store, which a custom clock may return.
pub(crate) fn check_recorded_at(commit: &Commit) -> Result<()> {
    check_time("time of the store's clock", commit.recorded_at)
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;

    #[test]
    fn the_first_moment_is_the_first_of_january_4713_bc() {
        // There is no year 0 BC in the calendar, but there is in astronomical year numbering, which chrono uses.
        let first = NaiveDate::from_ymd_opt(-4712, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
        assert_eq!(Some(MIN_EVENT_TIME.naive_utc()), first);
        assert!(check_time("event time", MIN_EVENT_TIME).is_ok());
        assert!(check_time("event time", DateTime::<Utc>::MAX_UTC).is_ok());
        let before = MIN_EVENT_TIME - TimeDelta::microseconds(1);
        for time in [before, DateTime::<Utc>::MIN_UTC] {
            let refused = check_time("event time", time);
            assert!(matches!(refused, Err(Error::TimeOutOfRange { .. })), "{refused:?}");
        }
    }
}
