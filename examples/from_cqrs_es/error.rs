//! The reasons why the move stops.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of an event in the table: the id of its aggregate, and its sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) sequence: i64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(
        "cannot read {0}; teach `old::Row` to read it, then run the move again, which continues here"
    )]
    Unreadable(Place, #[source] serde_json::Error),
    #[error("the store refuses {0}; convert it in `old::Row`, then run the move again")]
    Refused(Place, #[source] Box<evercore::Error>),
    #[error(
        "{0} has no time in its metadata; decide in `old::Row::options` which time it gets, then run the move again"
    )]
    NoTime(Place),
    #[error(
        "{found} follows on event {last} of the store; restore the events between them in the table"
    )]
    Gap { found: Place, last: i64 },
    #[error("`{id}` is {new} in the store, but {old} in the table")]
    Differs { id: String, old: String, new: String },
    #[error("the store holds {stored} events, but the move has appended {moved}")]
    Count { stored: u64, moved: u64 },
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
    #[error(transparent)]
    Store(#[from] evercore::Error),
    #[error(transparent)]
    Table(#[from] sqlx::Error),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} of `{}`", self.sequence, self.id)
    }
}
