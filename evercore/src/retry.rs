//! Sets how often failed work is retried, and how long to wait in between.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::engine::{self, Backoff, in_runtime};

/// Sets how often [`with_context`](crate::EventStore::with_context) runs its closure, and the waits in between.
///
/// The wait before attempt `n + 1` is drawn uniformly from zero to `base · 2ⁿ⁻¹`, at most `longest`: exponential
/// backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
///
/// The policy is for conflicts, which pass within milliseconds. Handlers of subscriptions have a policy of their own:
/// [`HandlerRetry`].
///
/// Random waits are for conflicts with other processes. Among the clones of one store, attempts take turns instead:
/// after a first conflict on an aggregate, an attempt waits for its turn, in order of arrival, and holds it until its
/// commit is answered. While others wait for an aggregate, a first attempt that loads it queues as well, however many
/// wait. No attempt waits for a second turn while it holds one. A turn that lasts longer than `longest`, or 5 s if that
/// is shorter, is overtaken: the next attempt runs beside it, and a warning is logged. An aggregate that is loaded both
/// by id and by key has two queues.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore::RetryPolicy;
///
/// let patient = RetryPolicy::default().attempts(50).longest(Duration::from_secs(1));
/// let single = RetryPolicy::none();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: NonZeroU32,
    backoff: Backoff,
}

/// Sets how often the handler of a subscription or of a queue is given an event or a task that it fails on, and the waits
/// in between.
///
/// As in a [`RetryPolicy`], the wait before attempt `n + 1` is drawn uniformly from zero to `base · 2ⁿ⁻¹`, at most
/// `longest`. The defaults outlast the restart of a service that the handler calls: 10 attempts, with waits of 511 s in
/// all at most, and of half of that on average.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore::{FailurePolicy, HandlerRetry};
///
/// let patient = HandlerRetry::default().attempts(20).longest(Duration::from_secs(3_600));
/// let policy = FailurePolicy::park().retry(patient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerRetry {
    attempts: NonZeroU32,
    backoff: Backoff,
}

/// Waits before another attempt: by tokio's clock, or by the machine's clock outside of a runtime.
pub(crate) async fn pause(wait: Duration) {
    match in_runtime() {
        Ok(()) => tokio::time::sleep(wait).await,
        Err(_) => engine::sleep(wait).await,
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(10).expect("not zero") },
            backoff: Backoff::new(Duration::from_millis(2), Duration::from_millis(250)),
        }
    }
}

impl RetryPolicy {
    /// Allows one attempt: the first conflict is returned.
    #[must_use]
    pub fn none() -> Self {
        Self::default().attempts(1)
    }

    /// Sets the largest number of times the closure runs, including the first. 0 counts as 1. Default: 10.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = at_least_one(attempts);
        self
    }

    /// Sets the upper bound of the first wait. Default: 2 ms.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.backoff.base = base;
        self
    }

    /// Sets the upper bound of all waits, and the longest time to wait for another attempt's turn, which is capped at
    /// 5 s. Default: 250 ms.
    #[must_use]
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.backoff.longest = longest;
        self
    }

    pub(crate) const fn longest_wait(&self) -> Duration {
        self.backoff.longest
    }

    /// Returns the wait after `failed` attempts, or `None` if there is no further attempt. `random` is in `0.0..1.0`.
    pub(crate) fn wait_after(&self, failed: u32, random: f64) -> Option<Duration> {
        (failed < self.attempts.get()).then(|| self.backoff.wait_after(failed, random))
    }
}

impl Default for HandlerRetry {
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(10).expect("not zero") },
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(600)),
        }
    }
}

impl HandlerRetry {
    /// Sets the largest number of times the handler is given the event or the task, including the first. 0 counts as 1.
    /// Default: 10.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = at_least_one(attempts);
        self
    }

    /// Sets the upper bound of the first wait. Default: 1 s.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.backoff.base = base;
        self
    }

    /// Sets the upper bound of all waits. Default: 10 min.
    #[must_use]
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.backoff.longest = longest;
        self
    }

    /// Returns the wait after `failed` attempts, or `None` if there is no further attempt. `random` is in `0.0..1.0`.
    pub(crate) fn wait_after(&self, failed: u32, random: f64) -> Option<Duration> {
        (failed < self.attempts.get()).then(|| self.backoff.wait_after(failed, random))
    }
}

const fn at_least_one(attempts: u32) -> NonZeroU32 {
    match NonZeroU32::new(attempts) {
        Some(attempts) => attempts,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_attempts() {
        let policy = RetryPolicy::default().attempts(5).longest(Duration::from_millis(7));
        let waits: Vec<_> = (1..=5).map(|failed| policy.wait_after(failed, 1.0)).collect();
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(waits, [millis(2), millis(4), millis(7), millis(7), None]);
    }

    #[test]
    fn the_first_wait_is_as_long_as_was_set() {
        let policy = RetryPolicy::default().base(Duration::from_millis(100));
        assert_eq!(policy.wait_after(1, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(policy.wait_after(1, 0.5), Some(Duration::from_millis(50)));
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let policy = RetryPolicy::default().attempts(u32::MAX);
        assert_eq!(policy.wait_after(u32::MAX - 1, 1.0), Some(Duration::from_millis(250)));
        let endless = policy.base(Duration::MAX).longest(Duration::MAX);
        assert_eq!(endless.wait_after(1, 1.0), Some(engine::LONGEST_WAIT));
    }

    /// An event should not fail for good because a mail server is down for ten minutes.
    #[test]
    fn the_defaults_of_handlers_are_those_of_the_outside_world() {
        let waits: Vec<_> =
            (1..=10).map(|failed| HandlerRetry::default().wait_after(failed, 1.0)).collect();
        let seconds = |n| Some(Duration::from_secs(n));
        let doubling = [1, 2, 4, 8, 16, 32, 64, 128, 256].map(seconds);
        assert_eq!(waits[..9], doubling);
        assert_eq!(waits[9], None);
        let patient = HandlerRetry::default().attempts(20);
        assert_eq!(patient.wait_after(19, 1.0), seconds(600));
    }
}
