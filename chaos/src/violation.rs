//! What can be wrong when a run is over.

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
        /// How often.
        times: usize,
    },
    /// An event was handled before an earlier one of its aggregate.
    OutOfOrder {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
        /// The last one of its aggregate that was handled before.
        after: i64,
    },
    /// Something was handled that is not in the log.
    NotInLog {
        /// The subscription.
        subscription: &'static str,
        /// The event.
        event: String,
    },
    /// A cursor went back.
    MovedBack(MovedBack),
    /// An event is not parked as it should be.
    Parked {
        /// The event.
        event: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The log is not what the history of its clients allows.
    History {
        /// What is wrong.
        problem: String,
    },
    /// The log does not hold what a writer was told.
    Told {
        /// What is wrong.
        problem: String,
    },
}

/// A cursor that went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedBack {
    /// The subscription.
    pub subscription: String,
    /// The number of the partition.
    pub partition: i64,
    /// Where it was.
    pub was: i64,
    /// Where it went.
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
                write!(f, "in `{subscription}`, {event} has taken effect {times} times")
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
            Self::History { problem } | Self::Told { problem } => f.write_str(problem),
        }
    }
}
