//! Recognises a commit that is made inside the closure of a context of the same store.
//!
//! It would land on its own, whatever becomes of the context around it, and where both change one aggregate, each attempt
//! of the outer one would meet the inner one as a conflict. The code is known by its task: a task that the closure has
//! spawned is another one, and commits as it likes.

use std::sync::Arc;

use super::EventStore;
use crate::shared::Shared;

tokio::task_local! {
    static OPEN: Open;
}

/// The store whose context's closure runs, and those of the closures around it.
#[derive(Clone, Debug)]
struct Open {
    /// Its address: nobody else's while the closure runs, since the call that runs it borrows the store.
    store: usize,
    outer: Option<Arc<Self>>,
}

/// Runs the closure of a context.
pub(crate) async fn within<F: Future>(store: &Arc<Shared>, work: F) -> F::Output {
    let outer = OPEN.try_with(|outer| Arc::new(outer.clone())).ok();
    OPEN.scope(Open { store: address(store), outer }, work).await
}

/// Whether this code runs inside the closure of a context of this store.
pub(super) fn is_within(store: &Arc<Shared>) -> bool {
    let store = address(store);
    let includes = |open: &Open| {
        let outer = std::iter::successors(Some(open), |open| open.outer.as_deref());
        outer.into_iter().any(|open| open.store == store)
    };
    OPEN.try_with(includes).unwrap_or(false)
}

fn address(store: &Arc<Shared>) -> usize {
    Arc::as_ptr(store).addr()
}

impl EventStore {
    /// Returns the same store for commits that are made inside the closure of a context and are deliberately no part of
    /// it: an attempt that is to be recorded whether or not the context lands, say.
    ///
    /// Such a commit lands on its own and at once, and again each time that the closure runs again. One that changes an
    /// aggregate of the context around it makes that one conflict with it. Inside a transaction on SQLite it would wait
    /// for the transaction to end, and is [`Error::NestedCommit`](crate::Error::NestedCommit) all the same.
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore::{Aggregate, Error, EventStore, Expected, Stream, state_event};
    /// # use evercore_memory as _;
    /// # #[derive(Aggregate, Default)]
    /// # struct Attempt { by: String }
    /// # #[state_event(aggregate = Attempt)]
    /// # struct AttemptMade { by: String }
    /// # fn made() -> AttemptMade { AttemptMade { by: "Ada".into() } }
    /// # fn adas() -> Stream { Stream::Key(evercore::NaturalKey::new("Ada's").expect("a key")) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = EventStore::connect("memory:").await?;
    /// let store = &store;
    /// store
    ///     .with_context(async |_| {
    ///         let refused = store.append::<Attempt, _>(adas(), Expected::Any, [made()]).await;
    ///         assert!(matches!(refused, Err(Error::NestedCommit)));
    ///         let apart = store.detached();
    ///         apart.append::<Attempt, _>(adas(), Expected::Any, [made()]).await.map(drop)
    ///     })
    ///     .await
    /// # }
    /// ```
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), is_detached: true }
    }
}
