//! Tells the observer of the store, if there is one, what the work on a partition has come to.

use std::time::{Duration, Instant};

use super::Runner;
use crate::observer::Observation;
use crate::subscription::deliver::Recorded;

impl Runner {
    pub(super) fn observe_lag(&mut self) {
        self.observe(|subscription, partition| {
            let head = self.registration.tick.borrow().head;
            let positions = head.get().saturating_sub(self.cursor.get()).max(0).unsigned_abs();
            Observation::Lag { subscription, partition, positions }
        });
        self.has_told_lag = true;
    }

    /// Tells that the lag is out of date, if it was told.
    pub(super) fn observe_released(&mut self) {
        if std::mem::take(&mut self.has_told_lag) {
            self.observe(|subscription, partition| Observation::Released {
                subscription,
                partition,
            });
        }
    }

    /// Returns the time now if an observer is to be told how long something takes.
    pub(super) fn observed_from(&self) -> Option<Instant> {
        // The time of the operating system, even if a test has paused tokio's clock.
        self.config.store.observer.is_some().then(Instant::now)
    }

    /// Tells how many of the `given` events are handled, and in what time.
    pub(super) fn observe_handled(&self, recorded: Recorded, given: usize, began: Option<Instant>) {
        let events = match recorded {
            Recorded::WithItsEffects => given,
            Recorded::NotYet(handled) => handled,
        };
        self.observe(|subscription, partition| {
            let duration = began.map_or(Duration::ZERO, |began| began.elapsed());
            Observation::Handled { subscription, partition, events, duration }
        });
    }

    pub(super) fn observe_retry(&self, failed: u32, wait: Duration) {
        self.observe(|subscription, partition| Observation::HandlerRetry {
            subscription,
            partition,
            failed,
            wait,
        });
    }

    pub(super) fn observe_parked(&self, events: usize) {
        if events > 0 {
            self.observe(|subscription, partition| Observation::Parked {
                subscription,
                partition,
                events,
            });
        }
    }

    fn observe<'a>(&'a self, observation: impl FnOnce(&'a str, u32) -> Observation<'a>) {
        if let Some(observer) = &self.config.store.observer {
            observer.observe(&observation(self.config.name.as_str(), self.lease.partition));
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.observe_released();
    }
}
