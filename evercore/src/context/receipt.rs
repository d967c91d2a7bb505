//! Describes the commit of a context.

use crate::engine::Committed;
use crate::{CommitId, Position};

/// The commit of a context and its position. Returned by [`EventStore::with_context_committed`](crate::EventStore::with_context_committed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitReceipt(Option<Committed>);

impl CommitReceipt {
    pub(crate) const fn of(committed: Committed) -> Self {
        Self(Some(committed))
    }

    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Returns the commit's id; `None` if the context neither changed nor guarded anything.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.0.map(|committed| committed.id)
    }

    /// Returns the position of the commit's last event; `None` if it wrote no event.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.0?.positions.map(|(_, last)| last)
    }
}
