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
    pub(crate) is_new: bool,
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

    /// Returns whether the context has created it, as opposed to loaded it: [`create`](crate::Context::create) always
    /// does, and [`load_or_create`](crate::Context::load_or_create) does if no aggregate holds the key. It stays true
    /// when events are applied. In what a command returns, it tells whether the command has created the aggregate.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Error, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { owner: String, balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct Opened { owner: String }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # let store = evercore::EventStore::builder().open(evercore_memory::MemoryEngine::new()).await?;
    /// let has_opened = store
    ///     .with_context(async |ctx| -> Result<_, Error> {
    ///         let mut account = ctx.load_or_create::<Account>("NL91ABNA0417164300").await?;
    ///         if account.is_new() {
    ///             ctx.apply(&mut account, Opened { owner: "Ada".into() })?;
    ///         }
    ///         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
    ///         Ok(account.is_new())
    ///     })
    ///     .await?;
    /// assert!(has_opened);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
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
