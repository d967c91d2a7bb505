//! The clock of the simulated database: virtual, and unreliable.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercore::Clock;
use tokio::time::{Instant, sleep};

/// Follows the runtime's time, and can be made to jump.
#[derive(Debug)]
pub(crate) struct JumpingClock {
    started: Instant,
    skew: Mutex<TimeDelta>,
}

/// Lets virtual time pass; sets no timer for a duration of zero.
pub(crate) async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl JumpingClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), skew: Mutex::default() }
    }

    /// Returns how long the runtime has been running.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn jump(&self, by: TimeDelta) {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> DateTime<Utc> {
        let skew = *self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        // A thousand days, so that no jump leads to before the epoch.
        DateTime::UNIX_EPOCH
            + TimeDelta::days(1_000)
            + skew
            + TimeDelta::from_std(self.elapsed()).expect("a run is short")
    }
}
