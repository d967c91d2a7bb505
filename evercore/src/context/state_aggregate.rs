//! Defines the handle of a loaded aggregate.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::state::State;
use crate::{AggregateId, NaturalKey, Sequence};

/// A loaded aggregate: its id, key, sequence and state.
///
/// The state is read-only: only events change it, through [`Context::apply`](crate::Context::apply) in the context that
/// loaded it.
#[derive(Debug)]
pub struct StateAggregate<T> {
    pub(crate) context: ContextId,
    pub(crate) id: AggregateId,
    pub(crate) key: Option<NaturalKey>,
    pub(crate) sequence: Sequence,
    pub(crate) state: State<T>,
    pub(crate) has_unknown: bool,
}

/// Distinguishes the contexts of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextId(u64);

impl ContextId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl<T> StateAggregate<T> {
    /// Returns its id.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.id
    }

    /// Returns its natural key, if it has one.
    #[must_use]
    pub const fn key(&self) -> Option<&NaturalKey> {
        self.key.as_ref()
    }

    /// Returns the sequence of the last event that the state contains; [`Sequence::ZERO`] before the first.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &T {
        self.state.get()
    }

    /// Returns whether it has events that the program does not know, and that its
    /// [`UNKNOWN_EVENTS`](crate::Aggregate::UNKNOWN_EVENTS) allow. No snapshot is taken of such a state.
    #[must_use]
    pub const fn has_unknown_events(&self) -> bool {
        self.has_unknown
    }

    /// Consumes this and returns the state.
    #[must_use]
    pub fn into_state(self) -> T {
        self.state.into_inner()
    }
}
