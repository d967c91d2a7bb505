//! Names what a conflicting writer has changed.

use std::fmt;

use crate::Sequence;

/// The change that a conflicting writer made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictReason {
    /// The aggregate has other events than those the decision was based on.
    Sequence {
        /// The aggregate's sequence when the decision was made.
        expected: Sequence,
        /// The aggregate's sequence now.
        actual: Sequence,
    },
    /// The aggregate has another natural key than the decision was based on.
    Key,
    /// Another writer created the aggregate that [`load_or_create`](crate::Context::load_or_create) was about to
    /// create.
    Created,
    /// Two transactions waited for each other, and the database aborted this one.
    Deadlock,
}

impl fmt::Display for ConflictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence { expected, actual } => {
                write!(f, "expected sequence {expected}, found {actual}")
            }
            Self::Key => f.write_str("its natural key has changed"),
            Self::Created => f.write_str("it was created meanwhile"),
            Self::Deadlock => f.write_str("in a deadlock, and this transaction was aborted"),
        }
    }
}
