//! Opens contexts in a transaction of the store's own database, which the type of the context names.

use std::any::Any;

use super::{EventStore, TransactionContext, Transactor};
use crate::engine::StorageEngine;
use crate::{Error, Result};

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

impl EventStore {
    /// As [`with_context`](Self::with_context), with a transaction of the database beside the context: the rows that
    /// `work` writes in it and the events that it applies land together or not at all.
    ///
    /// The type of `work`'s argument says which engine the store is on: `PostgresContext` or `SqliteContext`, whose docs
    /// have an example and what holds on the engine. `work` runs again on a conflict, in a new transaction. It must neither commit nor roll back. Keep the
    /// transaction short: such a commit is not grouped with others, and locks that it takes are held to its end.
    ///
    /// # Errors
    /// - As [`with_context`](Self::with_context).
    /// - [`Error::WrongEngine`] if the store is on another engine.
    /// - [`Error::TransactionEnded`] if `work` has ended the transaction.
    pub async fn with_transaction<X, F, T, E>(&self, work: F) -> Result<T, E>
    where
        X: Transaction,
        F: AsyncFnOnce(&mut TransactionContext<X>) -> Result<T, E> + Clone,
        E: From<Error>,
    {
        let engine = self.engine_of::<X>()?;
        let work = async move |ctx: &mut TransactionContext<X>| X::within(engine, work(ctx)).await;
        self.with_context_in(engine, work).await
    }

    /// The engine as the one that this transaction is of.
    pub(crate) fn engine_of<X: Transaction>(&self) -> Result<&X::Engine> {
        let engine: &dyn Any = self.engine();
        engine.downcast_ref().ok_or(Error::WrongEngine { wanted: X::DATABASE })
    }
}
