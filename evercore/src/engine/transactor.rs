//! Transactions that user code takes part in.

use std::future::poll_fn;
use std::time::Duration;

use async_trait::async_trait;

use super::{Commit, StorageEngine};
use crate::{AggregateId, Committed, Result};

/// Opens and ends the transactions of a database that holds a store and its user's own tables.
#[async_trait]
pub trait Transactor: Send + Sync {
    /// A transaction. Dropping it rolls it back.
    type Transaction: Send + 'static;

    /// Opens a transaction. If it is idle for longer than `most_idle`, the database may end it, to free its locks for
    /// others; with `None`, the engine decides.
    async fn begin(&self, most_idle: Option<Duration>) -> Result<Self::Transaction>;

    /// Returns the id of the first aggregate that the transaction creates; the next ones follow it. `None` if ids come
    /// from [`StorageEngine::reserve_ids`](crate::engine::StorageEngine::reserve_ids), as in other contexts.
    ///
    /// For engines that cannot reserve ids while a transaction is open. Such an engine records the ids that the commit
    /// uses.
    fn first_id(&self, transaction: &Self::Transaction) -> Option<AggregateId>;

    /// Determines, after the work in a transaction has ended with `error`, whether the transaction failed rather than
    /// the work: its connection is lost, the database has ended it or preferred another one, or the disk is full. Then
    /// the work is to be repeated in another transaction. Failures of other resources that the work used are the work's
    /// own.
    ///
    /// The engine asks the database. Where the database does not say why the transaction ended, the drivers' errors
    /// among the causes of `error` decide.
    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool;

    /// Writes a commit in the transaction after the statements that it has run, records what the commit
    /// [completes](Commit::completes), and commits all of it together. If any of it is refused, the transaction is
    /// rolled back. If a settlement was recorded before, the transaction is rolled back too, but that is no error. A
    /// commit that completes something and has no writes leaves no other trace.
    ///
    /// # Errors
    /// As [`StorageEngine::commit`](crate::engine::StorageEngine::commit), and
    /// [`SubscriptionStorage::settle`](crate::engine::SubscriptionStorage::settle).
    async fn finish(&self, transaction: Self::Transaction, commit: Commit) -> Result<Committed>;
}

/// A transaction as user code holds it. For authors of engines.
///
/// From its type, [`EventStore::with_transaction`](crate::EventStore::with_transaction) and
/// [`SubscriptionBuilder::run_in_transaction`](crate::subscription::SubscriptionBuilder::run_in_transaction) know which
/// engine they need.
pub trait Transaction: Sized + Send + 'static {
    /// The engine that begins and ends it.
    type Engine: StorageEngine + Transactor<Transaction = Self>;

    /// The name of that engine's database in [`Error::WrongEngine`](crate::Error::WrongEngine).
    const DATABASE: &'static str;

    /// Runs a poll of user code that holds a transaction of the engine, so that the engine can tell which calls come
    /// from inside of it.
    fn within<T>(engine: &Self::Engine, poll: impl FnOnce() -> T) -> T;
}

/// Runs user code that holds a transaction of the engine.
pub(crate) async fn within<X: Transaction, F: Future>(engine: &X::Engine, work: F) -> F::Output {
    let mut work = Box::pin(work);
    poll_fn(|task| X::within(engine, || work.as_mut().poll(task))).await
}
