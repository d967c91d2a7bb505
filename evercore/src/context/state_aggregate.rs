//! A loaded aggregate.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::state::State;
use crate::{AggregateId, NaturalKey, Sequence};

/// A loaded aggregate: its id, key, sequence and state.
///
/// The state is for reading; only events change it, through [`Context::apply`](crate::Context::apply) in the context
/// that loaded it.
#[derive(Debug)]
pub struct StateAggregate<T> {
    pub(crate) context: ContextId,
    pub(crate) id: AggregateId,
    pub(crate) key: Option<NaturalKey>,
    pub(crate) sequence: Sequence,
    pub(crate) state: State<T>,
    pub(crate) has_unknown: bool,
}

/// Tells the contexts of a process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextId(u64);

impl ContextId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl<T> StateAggregate<T> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> AggregateId {
        self.id
    }

    /// Its natural key, if it has one.
    #[must_use]
    pub const fn key(&self) -> Option<&NaturalKey> {
        self.key.as_ref()
    }

    /// The last event that the state contains; [`Sequence::ZERO`] before the first.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &T {
        self.state.get()
    }

    /// Whether it has events that the program does not know, and that its
    /// [`UNKNOWN_EVENTS`](crate::Aggregate::UNKNOWN_EVENTS) let pass. No snapshot is taken of such a state.
    #[must_use]
    pub const fn has_unknown_events(&self) -> bool {
        self.has_unknown
    }

    /// The state, taken out.
    #[must_use]
    pub fn into_state(self) -> T {
        self.state.into_inner()
    }
}
