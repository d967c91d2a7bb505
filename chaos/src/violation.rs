//! The violations that the end of a run can reveal.

use std::fmt;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// An event was never handled.
    Missed {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
    },
    /// An event took effect more than once.
    Doubled {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
        /// The number of times.
        times: usize,
    },
    /// An event was handled before an earlier one of its aggregate.
    OutOfOrder {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
        /// The sequence of the last event of its aggregate that was handled before.
        after: i64,
    },
    /// An event was handled that is not in the log.
    NotInLog {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
    },
    /// A cursor moved back.
    MovedBack(MovedBack),
    /// An event is not parked as it should be.
    Parked {
        /// The event.
        event: String,
        /// The problem.
        problem: &'static str,
    },
    /// A decision on boundaries was made on other events than those before it, or breaks their rules.
    Decided {
        /// The event.
        event: String,
        /// The problem.
        problem: String,
    },
    /// The store finds a fault in its contents.
    Damaged {
        /// The problem.
        problem: String,
    },
    /// The log contradicts the history of its clients.
    History {
        /// The problem.
        problem: String,
    },
    /// The log contradicts the answer that a writer received.
    Told {
        /// The problem.
        problem: String,
    },
}

/// A cursor that moved back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedBack {
    /// The subscription.
    pub subscription: String,
    /// The number of the partition.
    pub partition: i64,
    /// The old position.
    pub was: i64,
    /// The new position.
    pub became: i64,
}

impl From<MovedBack> for Violation {
    fn from(moved: MovedBack) -> Self {
        Self::MovedBack(moved)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed { subscription, event } => {
                write!(f, "`{subscription}` was never given {event}")
            }
            Self::Doubled { subscription, event, times } => {
                write!(f, "in `{subscription}`, {event} took effect {times} times")
            }
            Self::OutOfOrder { subscription, event, after } => {
                write!(f, "`{subscription}` was given {event} next after sequence {after}")
            }
            Self::NotInLog { subscription, event } => {
                write!(f, "`{subscription}` was given {event}, which is not in the log")
            }
            Self::MovedBack(MovedBack { subscription, partition, was, became }) => {
                write!(
                    f,
                    "partition {partition} of `{subscription}` went back from {was} to {became}"
                )
            }
            Self::Parked { event, problem } => write!(f, "{event}: {problem}"),
            Self::Decided { event, problem } => write!(f, "{event}: {problem}"),
            Self::History { problem } | Self::Told { problem } | Self::Damaged { problem } => {
                f.write_str(problem)
            }
        }
    }
}
