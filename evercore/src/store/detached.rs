//! Commits that are no part of the context around them.

use std::sync::Arc;

use super::EventStore;

impl EventStore {
    /// Returns the same store, for commits from inside the closure of a context that are deliberately no part of that
    /// context: for example, to record an attempt whether or not the context commits.
    ///
    /// Such a commit takes effect on its own and at once, and again each time the closure runs again. If it changes an
    /// aggregate of the enclosing context, that context conflicts with it. Inside a transaction on SQLite, it would
    /// wait for the transaction to end, so there it is [`Error::NestedCommit`](crate::Error::NestedCommit) even on a
    /// detached store.
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
