//! Reports what a store and its engine do, for metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Receives the observations of a store and its engine. Set with
/// [`EventStoreBuilder::observer`](crate::EventStoreBuilder::observer).
///
/// It is called on the thread that does the work, between two of its steps, so it must return at once: it may count, and
/// must neither block nor call the store.
///
/// # Example: counting reruns
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use evercore::EventStore;
/// use evercore::observer::{Observation, Observer};
/// use evercore_memory::MemoryEngine;
///
/// #[derive(Debug, Default)]
/// struct Reruns(AtomicU64);
///
/// impl Observer for Reruns {
///     fn observe(&self, observation: &Observation<'_>) {
///         if let Observation::Rerun { .. } = observation {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> evercore::Result<()> {
/// let reruns = Arc::new(Reruns::default());
/// let builder = EventStore::builder().observer(Arc::clone(&reruns));
/// let store = builder.open(MemoryEngine::new()).await?;
/// # drop(store);
/// assert_eq!(reruns.0.load(Ordering::Relaxed), 0);
/// # Ok(())
/// # }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Takes note of an observation.
    fn observe(&self, observation: &Observation<'_>);
}

/// An observation of a store or its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation<'a> {
    /// A context runs again after a conflict.
    Rerun {
        /// The number of attempts that have failed, from 1.
        failed: u32,
        /// The time before the next attempt, not counting the wait for a turn.
        wait: Duration,
    },
    /// A context has looked for an aggregate in the cache of a store that has one.
    CacheLookup {
        /// Whether the aggregate was found.
        hit: bool,
    },
    /// A context has loaded an aggregate from storage, or has found out that there is none.
    Load {
        /// The time that it took.
        duration: Duration,
    },
    /// The engine has answered a commit.
    Commit {
        /// The time from the call to the answer, including the wait for other commits.
        duration: Duration,
        /// Whether it was stored.
        stored: bool,
    },
    /// The engine has sent commits to the database together.
    Group {
        /// The number of commits.
        commits: usize,
        /// The time until they were answered.
        duration: Duration,
    },
    /// A worker has handled a batch, or has learned the end of the log.
    Lag {
        /// The name of the subscription.
        subscription: &'a str,
        /// The number of the partition, from 0.
        partition: u32,
        /// The number of positions between the worker's cursor and the end of the log as it is known, including positions without an
        /// event and events that the filter does not match.
        positions: u64,
    },
}

impl<O: Observer> Observer for Arc<O> {
    fn observe(&self, observation: &Observation<'_>) {
        (**self).observe(observation);
    }
}
