//! The tasks that random commands enqueue.

use std::time::Duration;

use evercore::task::{IfKeyExists, Priority};

/// A task to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) key: Option<u8>,
    pub(super) if_key_exists: IfKeyExists,
    pub(super) when: When,
    pub(super) priority: Priority,
}

/// The time before which a task is not claimed, compared with the time that a sequence of commands takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    Now,
    /// After every command.
    Later,
    /// After a lease that no command outlives.
    Leased,
}

impl When {
    /// Returns how long the time is from now.
    pub(super) const fn wait(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Later => Duration::from_secs(3_600),
            Self::Leased => Duration::from_secs(7_200),
        }
    }
}
