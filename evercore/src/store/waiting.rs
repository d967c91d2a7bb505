//! Waits for a database that is not there yet, while a store is opened.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::engine::{Backoff, sleep};
use crate::{Report, Result};

/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(2);

const BETWEEN_ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(100), LONGEST);

/// The time that is left for opening a store. All steps of opening share it.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The time when it ends; `None` if that is beyond the range of the clock, so that it never ends.
    ends: Option<Instant>,
    failed: u32,
}

impl Waiting {
    pub(super) fn new(time: Duration) -> Self {
        Self { ends: Instant::now().checked_add(time), failed: 0 }
    }

    /// Takes a step of opening. A step that fails for a reason that may pass is taken again, until the time is used up.
    pub(super) async fn until_done<T, W>(&mut self, step: impl Fn() -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        let failed_before = self.failed;
        loop {
            let error = match step().await {
                Ok(done) => {
                    if self.failed > failed_before {
                        info!(attempts = self.failed, "the database can be used now");
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            let left = self.left();
            if left.is_zero() || !error.is_retryable() {
                return Err(error);
            }
            self.failed = self.failed.saturating_add(1);
            let wait = BETWEEN_ATTEMPTS.wait_after(self.failed, 1.0).min(left);
            warn!(error = %Report::new(&error), ?wait, "the database cannot be used yet; trying again");
            sleep(wait).await;
        }
    }

    fn left(&self) -> Duration {
        self.ends.map_or(Duration::MAX, |ends| ends.saturating_duration_since(Instant::now()))
    }
}
