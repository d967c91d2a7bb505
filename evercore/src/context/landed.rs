//! Where a context has landed.

use crate::engine::Committed;
use crate::{CommitId, Position};

/// Where a context landed. Given by [`EventStore::with_context_committed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed(Option<Committed>);

impl Landed {
    pub(crate) const fn of(committed: Committed) -> Self {
        Self(Some(committed))
    }

    pub(crate) const fn nowhere() -> Self {
        Self(None)
    }

    /// The commit's name; `None` if the context changed and guarded nothing.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        self.0.map(|committed| committed.id)
    }

    /// The position of its last event; `None` if it has none.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.0?.positions.map(|(_, last)| last)
    }
}
