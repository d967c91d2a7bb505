//! Reports what a store and its engine do, for metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;
use crate::{ErrorKind, Result};

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
    ///
    /// A commit whose caller is dropped is skipped by the engine, or observed once it is answered; if the caller is
    /// dropped at that very moment, the commit is not observed. Nor is one that user code was to commit in a
    /// transaction of its own, if the caller is dropped meanwhile.
    Commit {
        /// The time from the call to the answer, including the wait for other commits. If the caller is gone, from the
        /// moment when the engine sent the commit.
        duration: Duration,
        /// The answer.
        answer: CommitAnswer,
        /// The number of events that the commit has, stored or not.
        events: usize,
    },
    /// The engine has sent commits to the database together.
    Group {
        /// The number of commits.
        commits: usize,
        /// The time until they were answered.
        duration: Duration,
    },
    /// The engine has found out how far the log can be read. Only of engines where a commit can become visible before
    /// an earlier one, as on PostgreSQL.
    Frontier {
        /// The number of positions that were drawn and cannot be read yet, since a transaction before them has not ended.
        behind: u64,
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
    /// A worker works no longer on a partition of which it has reported a lag: it has released the partition or lost it,
    /// or was dropped. The lag that was reported last is out of date from now on. If another worker has it, that one
    /// reports the lag, often in another process.
    Released {
        /// The name of the subscription.
        subscription: &'a str,
        /// The number of the partition, from 0.
        partition: u32,
    },
    /// The handler of a durable subscription has handled events: a batch, the beginning of a batch, or a parked event.
    Handled {
        /// The name of the subscription.
        subscription: &'a str,
        /// The number of the partition, from 0.
        partition: u32,
        /// The number of events.
        events: usize,
        /// The time that it took; with a transactional handler, until the transaction was committed.
        duration: Duration,
    },
    /// The handler of a durable subscription has failed, and is given the event again after a wait.
    HandlerRetry {
        /// The name of the subscription.
        subscription: &'a str,
        /// The number of the partition, from 0.
        partition: u32,
        /// The number of times that the handler has failed at this event, from 1.
        failed: u32,
        /// The time before it is given the event again.
        wait: Duration,
    },
    /// A worker has parked events that were not parked before.
    Parked {
        /// The name of the subscription.
        subscription: &'a str,
        /// The number of the partition, from 0.
        partition: u32,
        /// The number of events, including those that wait for an earlier parked event of their lane.
        events: usize,
    },
}

/// The answer of an engine to a commit, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommitAnswer {
    /// It is stored.
    Stored,
    /// It was refused because another writer was faster ([`Error::Conflict`]). A context runs again after it.
    Conflict,
    /// It was refused for another reason that lies in the commit or in the stored data, such as a natural key that is
    /// taken.
    Refused,
    /// The engine could not store it, or the answer was lost: the commit may be stored nevertheless.
    Failed,
}

impl CommitAnswer {
    /// Returns what the answer says, in one lower-case word: `stored`, `conflict`, `refused` or `failed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn of<T>(answer: &Result<T>) -> Self {
        let Err(error) = answer else { return Self::Stored };
        match error.kind() {
            _ if error.is_conflict() => Self::Conflict,
            ErrorKind::Unavailable
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Storage
            | ErrorKind::Unreadable
            | ErrorKind::Configuration => Self::Failed,
            _ => Self::Refused,
        }
    }
}

impl<O: Observer> Observer for Arc<O> {
    fn observe(&self, observation: &Observation<'_>) {
        (**self).observe(observation);
    }
}
