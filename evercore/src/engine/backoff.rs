//! Waits between attempts.

use std::time::Duration;

/// The longest time that anything is waited for, some 136 years: a later moment could not be computed.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(u32::MAX as u64);

/// Waits that double up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub(crate) base: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// Creates waits that begin with `base` and are at most `longest`.
    #[must_use]
    pub const fn new(base: Duration, longest: Duration) -> Self {
        Self { base, longest }
    }

    /// Returns the wait after this many failures: `base · 2ⁿ⁻¹` after `n`, at most `longest`, times `share`, which is in
    /// `0.0..=1.0`. A random share is full jitter; 1.0 is none.
    #[must_use]
    pub fn wait_after(&self, failed: u32, share: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        let longest = self.base.saturating_mul(doubled).min(self.longest);
        // `mul_f64` panics if the product overflows a `Duration`.
        longest.min(LONGEST_WAIT).mul_f64(share)
    }
}
