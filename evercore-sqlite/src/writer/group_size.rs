//! Decides how long a group of commits waits for more.

use std::time::Duration;

/// The longest that a group waits for more.
const MOST_PATIENCE: Duration = Duration::from_millis(2);

/// What the last group was like: the callers that it answered are about to commit again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupSize {
    pub(super) commits: usize,
    pub(super) landing: Duration,
}

impl GroupSize {
    /// How long a group waits for the callers of the last one. One that is alone is not waited for.
    pub(super) fn patience(self) -> Duration {
        if self.commits > 1 { (self.landing / 2).min(MOST_PATIENCE) } else { Duration::ZERO }
    }
}
