//! Decides how long a group of commits waits for more.

use std::time::Duration;

/// The longest time that a group waits for more commits.
const MOST_PATIENCE: Duration = Duration::from_millis(2);

/// The size of the last group and the time that it took: the callers that it answered are about to commit again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupSize {
    pub(super) commits: usize,
    pub(super) landing: Duration,
}

impl GroupSize {
    /// The time that a group waits for the callers of the last one. A single caller is not waited for.
    pub(super) fn patience(self) -> Duration {
        if self.commits > 1 { (self.landing / 2).min(MOST_PATIENCE) } else { Duration::ZERO }
    }
}
