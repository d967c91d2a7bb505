//! How often a context is run again after a conflict, and after how long.

use std::num::NonZeroU32;
use std::time::Duration;

/// How often [`with_context`](crate::EventStore::with_context) runs its closure, and how long it waits in between.
///
/// The wait before attempt `n + 1` is drawn evenly from zero to `base · 2ⁿ⁻¹`, at most `longest`: exponential backoff
/// with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
///
/// That is for conflicts with other processes. Among the clones of one store, attempts take turns: after a first conflict
/// on an aggregate, an attempt waits for its turn in place of a time at random, in order of arrival, and has it until its
/// commit is answered. While others wait for an aggregate, a first attempt that loads it waits as well. No attempt waits
/// for a second turn while it has one, and none for a turn that lasts longer than `longest`: it goes on without. An
/// aggregate that some name by its id and others by its key has two queues.
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
    base: Duration,
    longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(10).expect("not zero") },
            base: Duration::from_millis(2),
            longest: Duration::from_millis(250),
        }
    }
}

impl RetryPolicy {
    /// One attempt: the first conflict is returned.
    #[must_use]
    pub fn none() -> Self {
        Self::default().attempts(1)
    }

    /// Sets how often the closure runs at the most, the first time included. 0 counts as 1. Default: 10.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = match NonZeroU32::new(attempts) {
            Some(attempts) => attempts,
            None => NonZeroU32::MIN,
        };
        self
    }

    /// Sets the longest first wait. Default: 2 ms.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the longest wait of all, and how long one turn of another attempt is waited for. Default: 250 ms.
    #[must_use]
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    pub(crate) const fn longest_wait(&self) -> Duration {
        self.longest
    }

    /// The wait after `failed` attempts, or `None` if there is no further one. `random` is in `0.0..1.0`.
    pub(crate) fn wait_after(&self, failed: u32, random: f64) -> Option<Duration> {
        if failed >= self.attempts.get() {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        Some(self.base.saturating_mul(doubled).min(self.longest).mul_f64(random))
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
    }
}
