//! Sets how often a failed service is restarted, and how long to wait before it.

use std::num::NonZeroU32;
use std::time::Duration;

use evercore::engine::Backoff;

/// The default wait after the first failure, before the random part is taken off.
const BASE: Duration = Duration::from_secs(1);

/// The default of the longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The least that both can be set to, so that a service which fails at once does not keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(10);

/// Sets how often a service that fails is run again, and the waits in between.
///
/// The wait after the `n`th failure in a row is drawn uniformly between a half and the whole of `base · 2ⁿ⁻¹`, which is
/// at most `longest`. Failures are in a row unless the service has run for longer than `longest` in between.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use evercore_services::{RestartPolicy, Services};
///
/// let impatient = RestartPolicy::default().attempts(5).longest(Duration::from_secs(10));
/// let services = Services::new().restart(impatient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    attempts: Option<NonZeroU32>,
    base: Duration,
    longest: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { attempts: None, base: BASE, longest: LONGEST }
    }
}

impl RestartPolicy {
    /// Allows one attempt: the first failure of a service ends the program.
    #[must_use]
    pub fn none() -> Self {
        Self::default().attempts(1)
    }

    /// Sets how many times in a row a service may fail; the last of these failures ends the program. 0 counts as 1.
    /// Default: without bound.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = match NonZeroU32::new(attempts) {
            Some(attempts) => Some(attempts),
            None => Some(NonZeroU32::MIN),
        };
        self
    }

    /// Sets the upper bound of the first wait, at least 10 ms. Default: 1 s.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the upper bound of all waits, at least 10 ms. A failure after a run that was longer than this counts as the
    /// first one. Default: 1 min.
    #[must_use]
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Returns the number of failures in a row, with the one of a run that has lasted this long.
    pub(crate) fn count(&self, before: u32, ran: Duration) -> u32 {
        let in_a_row = if ran > self.longest.max(SHORTEST) { 0 } else { before };
        in_a_row.saturating_add(1)
    }

    /// Returns the wait after this many failures in a row, or `None` if there is no further attempt. `random` is in
    /// `0.0..1.0`.
    pub(crate) fn wait_after(&self, failures: u32, random: f64) -> Option<Duration> {
        let is_last = self.attempts.is_some_and(|attempts| failures >= attempts.get());
        let backoff = Backoff::new(self.base.max(SHORTEST), self.longest.max(SHORTEST));
        (!is_last).then(|| backoff.wait_after(failures, 0.5 + random / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_without_end() {
        let policy = RestartPolicy::default();
        let longest = [1, 2, 4, 8, 16, 32, 60, 60].map(|n| Some(Duration::from_secs(n)));
        let waits: Vec<_> = (1..=8).map(|failures| policy.wait_after(failures, 1.0)).collect();
        assert_eq!(waits, longest);
        assert_eq!(policy.wait_after(u32::MAX, 1.0), Some(LONGEST));
    }

    #[test]
    fn a_wait_is_at_least_half_as_long() {
        let policy = RestartPolicy::default();
        assert_eq!(policy.wait_after(1, 0.0), Some(BASE / 2));
        assert_eq!(policy.wait_after(9, 0.0), Some(LONGEST / 2));
    }

    #[test]
    fn no_wait_is_so_short_that_it_keeps_a_processor_busy() {
        let hasty = RestartPolicy::default().base(Duration::ZERO).longest(Duration::ZERO);
        assert_eq!(hasty.wait_after(3, 0.0), Some(SHORTEST / 2));
        assert_eq!(hasty.count(7, SHORTEST), 8);
    }

    #[test]
    fn the_last_attempt_is_followed_by_none() {
        let policy = RestartPolicy::default().attempts(2);
        assert!(policy.wait_after(1, 0.0).is_some());
        assert_eq!(policy.wait_after(2, 0.0), None);
        assert_eq!(RestartPolicy::none().wait_after(1, 0.0), None);
        assert_eq!(RestartPolicy::default().attempts(0), RestartPolicy::none());
    }

    #[test]
    fn the_count_begins_anew_after_a_run_longer_than_the_longest_wait() {
        let policy = RestartPolicy::default();
        assert_eq!(policy.count(0, Duration::ZERO), 1);
        assert_eq!(policy.count(7, LONGEST), 8);
        assert_eq!(policy.count(7, LONGEST + Duration::from_nanos(1)), 1);
        assert_eq!(policy.count(u32::MAX, LONGEST), u32::MAX);
    }
}
