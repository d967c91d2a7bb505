//! Injects faults, for tests of what a program does when its storage fails.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercore::engine::{AggregateWrite, Commit, Precondition};
use evercore::error::ConflictReason;
use evercore::{BoxError, CommitId, Error, Result};

/// The faults planned for the next calls to an engine. Returned by
/// [`MemoryEngine::faults`](crate::MemoryEngine::faults).
///
/// Faults occur in the order in which they were planned, one for each call of their kind; calls after the last one
/// succeed again. Every commit counts, whichever store or task sends it. Reads and settlements of subscriptions meet no
/// faults.
///
/// # Example: a service that survives two conflicts
/// ```standalone_crate
/// use evercore::{Aggregate, Error, EventStore, state_event};
/// use evercore_memory::{CommitFault, MemoryEngine};
///
/// #[derive(Aggregate, Default)]
/// struct Account { balance: i64 }
///
/// #[state_event(aggregate = Account)]
/// struct BalanceSet { balance: i64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let engine = MemoryEngine::new();
/// let store = EventStore::builder().open(engine.clone()).await?;
///
/// engine.faults().next_commits(2, CommitFault::Conflict);
/// let attempts = std::cell::Cell::new(0);
/// store
///     .with_context(async |ctx| {
///         attempts.set(attempts.get() + 1);
///         let mut account = ctx.create::<Account>().await?;
///         ctx.apply(&mut account, BalanceSet { balance: 7 })
///     })
///     .await?;
///
/// assert_eq!(attempts.get(), 3);
/// assert_eq!(engine.faults().remaining(), 0);
/// # Ok(())
/// # }
/// ```
///
/// # Example: a real concurrent writer
/// ```standalone_crate
/// # use evercore::{Aggregate, Error, EventStore, state_event};
/// # use evercore_memory::MemoryEngine;
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let engine = MemoryEngine::new();
/// # let store = EventStore::builder().open(engine.clone()).await?;
/// async fn add(store: &EventStore, amount: i64) -> Result<(), Error> {
///     store
///         .with_context(async |ctx| {
///             let mut account = ctx.load_or_create::<Account>("ada").await?;
///             let balance = account.state().balance + amount;
///             ctx.apply(&mut account, BalanceSet { balance })
///         })
///         .await
/// }
///
/// add(&store, 100).await?;
/// let rival = store.clone();
/// engine.faults().before_next_commit(async move { add(&rival, 30).await.expect("it lands") });
/// add(&store, 5).await?;
///
/// let account =
///     store.with_readonly_context(async |ctx| ctx.load_by_key::<Account>("ada").await).await?;
/// assert_eq!(account.state().balance, 135, "no update was lost");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Faults(Arc<Plan>);

/// A fault of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitFault {
    /// Another writer commits first: [`Error::Conflict`]. `with_context` reruns its closure.
    Conflict,
    /// The database stays busy: [`Error::Busy`].
    Busy,
    /// The database cannot be reached: [`Error::Unavailable`].
    Unavailable,
    /// The disk is full: [`Error::DiskFull`].
    DiskFull,
    /// The disk fails, or a permission is missing: [`Error::Storage`], for which no retry helps.
    Failed,
    /// The commit is stored, and its answer is lost: [`Error::OutcomeUnknown`]. The store asks for the outcome by
    /// itself and returns success, unless [that fails as well](Faults::next_outcomes).
    AnswerLost,
    /// The commit is lost on its way, so that nothing is stored: [`Error::OutcomeUnknown`]. The store asks for the
    /// outcome by itself and returns [`Error::Unavailable`], unless [that fails as well](Faults::next_outcomes).
    RequestLost,
    /// The commit is stored after this delay.
    Delay(Duration),
}

/// A fault of a call that writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadFault {
    /// The database stays busy: [`Error::Busy`].
    Busy,
    /// The database cannot be reached: [`Error::Unavailable`].
    Unavailable,
    /// The disk cannot be read: [`Error::Storage`].
    Failed,
    /// The answer comes after this delay.
    Delay(Duration),
}

#[derive(Default)]
struct Plan {
    /// Whether a fault was ever planned; without one, the queues are not locked.
    armed: AtomicBool,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    commits: VecDeque<BeforeCommit>,
    loads: VecDeque<ReadFault>,
    outcomes: VecDeque<ReadFault>,
}

enum BeforeCommit {
    Fault(CommitFault),
    Work(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// The further path of a commit after its fault.
pub(crate) enum Fate {
    /// The commit is executed.
    Sent,
    /// The commit is executed, and its answer is lost.
    Unheard,
}

impl Faults {
    /// Plans a fault for the next commit that has none yet.
    pub fn next_commit(&self, fault: CommitFault) -> &Self {
        self.next_commits(1, fault)
    }

    /// Plans the same fault for the next `count` commits that have none yet.
    pub fn next_commits(&self, count: usize, fault: CommitFault) -> &Self {
        self.plan(|queues| {
            let faults = std::iter::repeat_n(fault, count);
            queues.commits.extend(faults.map(BeforeCommit::Fault));
        })
    }

    /// Plans work that runs when the next commit arrives and before it is checked, such as a write by another task.
    /// Commits of that work meet the faults planned after it.
    pub fn before_next_commit(&self, work: impl Future<Output = ()> + Send + 'static) -> &Self {
        self.plan(|queues| queues.commits.push_back(BeforeCommit::Work(Box::pin(work))))
    }

    /// Plans a fault for the next load of an aggregate.
    pub fn next_load(&self, fault: ReadFault) -> &Self {
        self.next_loads(1, fault)
    }

    /// Plans the same fault for the next `count` loads of aggregates.
    pub fn next_loads(&self, count: usize, fault: ReadFault) -> &Self {
        self.plan(|queues| queues.loads.extend(std::iter::repeat_n(fault, count)))
    }

    /// Plans the same fault for the next `count` queries for a commit's outcome, which the store sends when an answer
    /// was lost.
    ///
    /// The store repeats the query for up to a second while the database is [unavailable](ReadFault::Unavailable). If
    /// that does not help, or on any other fault at once, it returns [`Error::OutcomeUnknown`].
    pub fn next_outcomes(&self, count: usize, fault: ReadFault) -> &Self {
        self.plan(|queues| queues.outcomes.extend(std::iter::repeat_n(fault, count)))
    }

    /// Returns the number of faults that are planned and have not occurred yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        let queues = self.queues();
        queues.commits.len() + queues.loads.len() + queues.outcomes.len()
    }

    /// Removes all planned faults.
    pub fn clear(&self) {
        *self.queues() = Queues::default();
    }

    /// Applies the next fault to a commit. `Err` if the commit is not executed.
    pub(crate) async fn meet_commit(&self, commit: &Commit) -> Result<Fate> {
        let fault = match self.next(|queues| queues.commits.pop_front()) {
            None => return Ok(Fate::Sent),
            Some(BeforeCommit::Fault(fault)) => fault,
            Some(BeforeCommit::Work(work)) => {
                work.await;
                return Ok(Fate::Sent);
            }
        };
        match fault {
            CommitFault::Conflict => Err(conflict(commit)),
            CommitFault::Busy => Err(busy()),
            CommitFault::Unavailable => Err(unavailable()),
            CommitFault::DiskFull => Err(Error::DiskFull { source: source() }),
            CommitFault::Failed => Err(Error::storage("commit", source())),
            CommitFault::AnswerLost => Ok(Fate::Unheard),
            CommitFault::RequestLost => Err(outcome_unknown(commit.id)),
            CommitFault::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(Fate::Sent)
            }
        }
    }

    /// Applies the next fault to a load.
    pub(crate) async fn meet_load(&self) -> Result<()> {
        meet(self.next(|queues| queues.loads.pop_front()), "load an aggregate").await
    }

    /// Applies the next fault to a query for an outcome.
    pub(crate) async fn meet_outcome(&self) -> Result<()> {
        meet(self.next(|queues| queues.outcomes.pop_front()), "find a commit").await
    }

    fn plan(&self, plan: impl FnOnce(&mut Queues)) -> &Self {
        plan(&mut self.queues());
        self.0.armed.store(true, Ordering::Release);
        self
    }

    fn next<F>(&self, take: impl FnOnce(&mut Queues) -> Option<F>) -> Option<F> {
        if self.0.armed.load(Ordering::Acquire) { take(&mut self.queues()) } else { None }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the error of a commit whose answer was lost.
pub(crate) fn outcome_unknown(commit: CommitId) -> Error {
    Error::OutcomeUnknown { commit, source: source() }
}

async fn meet(fault: Option<ReadFault>, operation: &'static str) -> Result<()> {
    match fault {
        None => Ok(()),
        Some(ReadFault::Busy) => Err(busy()),
        Some(ReadFault::Unavailable) => Err(unavailable()),
        Some(ReadFault::Failed) => Err(Error::storage(operation, source())),
        Some(ReadFault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
    }
}

/// Returns the conflict that would follow if another writer had added an event to the first aggregate of the commit, or
/// created it.
fn conflict(commit: &Commit) -> Error {
    let Some(AggregateWrite { id, aggregate_type, precondition, .. }) = commit.writes.first()
    else {
        // Without a write, there is nothing to conflict with.
        return busy();
    };
    let reason = match precondition {
        Precondition::New => ConflictReason::Created,
        Precondition::Exists => ConflictReason::Deadlock,
        Precondition::At(sequence) | Precondition::Unchanged { sequence, .. } => {
            ConflictReason::Sequence { expected: *sequence, actual: sequence.next() }
        }
    };
    Error::Conflict { aggregate: (*aggregate_type).to_owned(), id: *id, reason }
}

fn busy() -> Error {
    Error::Busy { source: source() }
}

fn unavailable() -> Error {
    Error::Unavailable { source: source() }
}

fn source() -> BoxError {
    "a fault injected by a test".into()
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("remaining", &self.remaining()).finish()
    }
}
