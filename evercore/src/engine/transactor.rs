//! Transactions that user code takes part in.

use std::time::Duration;

use async_trait::async_trait;

use super::{Commit, Committed, Settlement, StorageEngine};
use crate::{AggregateId, Result};

/// Opens and ends the transactions of a database that holds a store and its user's own tables.
#[async_trait]
pub trait Transactor: Send + Sync {
    /// A transaction. Dropping it rolls it back.
    type Transaction: Send;

    /// Opens a transaction. If it does nothing for `most_idle`, the database may end it, so that its locks are free for
    /// somebody else; `None` leaves that to the engine.
    async fn begin(&self, most_idle: Option<Duration>) -> Result<Self::Transaction>;

    /// The id of the first aggregate that the transaction creates; the next ones follow it. `None` if they come from
    /// [`StorageEngine::reserve_ids`](crate::engine::StorageEngine::reserve_ids), as in other contexts.
    ///
    /// For engines that cannot reserve ids while a transaction is open. They take note of those that the commit uses.
    fn first_id(&self, transaction: &Self::Transaction) -> Option<AggregateId>;

    /// Tells, after the work in a transaction has ended with `error`, whether it was the transaction that failed: its
    /// connection is lost, the database has ended it or let another one go first, or the disk is full. Then the work has
    /// not failed, and is to be done again in another transaction. What the work did on anything else is its own affair.
    ///
    /// The engine asks the database; where the answer does not say why a transaction came to its end, the drivers' errors
    /// among the causes of `error` do.
    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool;

    /// Lands a commit in the transaction, after all that it did before, then records the settlement, and commits all of
    /// it together. If one is refused, the transaction is rolled back; if the settlement was recorded before, it is
    /// rolled back as well, and that is no error. With a settlement, a commit without writes leaves no trace.
    ///
    /// # Errors
    /// As [`StorageEngine::commit`](crate::engine::StorageEngine::commit), and
    /// [`SubscriptionStorage::settle`](crate::engine::SubscriptionStorage::settle).
    async fn finish(
        &self,
        transaction: Self::Transaction,
        commit: Commit,
        settlement: Option<&Settlement>,
    ) -> Result<Committed>;
}

/// A transaction as user code holds it. For authors of engines.
///
/// By its type, [`EventStore::with_transaction`] and
/// [`SubscriptionBuilder::run_in_transaction`](crate::SubscriptionBuilder::run_in_transaction) know the engine that they
/// need.
pub trait Transaction: Sized + Send {
    /// The engine that begins and ends it.
    type Engine: StorageEngine + Transactor<Transaction = Self>;

    /// The database of that engine, as [`Error::WrongEngine`] names it.
    const DATABASE: &'static str;

    /// Runs user code while it holds a transaction of the engine, so that the engine can tell which of its calls come
    /// from in there.
    fn within<F: Future>(engine: &Self::Engine, work: F) -> impl Future<Output = F::Output>;
}
