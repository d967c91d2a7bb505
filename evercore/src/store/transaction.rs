//! Opens contexts in a transaction of the store's own database. The type of the context selects the kind of database.

use std::any::Any;
use std::sync::Arc;

use tracing::{Instrument, debug_span};

use super::EventStore;
use super::attempt::Attempt;
use crate::context::{Reading, TransactionContext};
use crate::engine::{Capability, Transaction, Transactor, require, within};
use crate::shared::nesting;
use crate::{Error, FromError, Result};

impl EventStore {
    /// Does the same as [`with_context`](Self::with_context), with a database transaction beside the context: the rows
    /// that `work` writes in it and the events that it applies are committed together or not at all.
    ///
    /// The type of `work`'s argument names the engine of the store: `PostgresContext` or `SqliteContext`, whose docs
    /// have an example and the rules of that engine. `work` runs again on a conflict, in a new transaction. It must
    /// neither commit nor roll back. Keep the transaction short: such a commit is not grouped with others, and its
    /// locks are held until it ends.
    ///
    /// # Errors
    /// - As [`with_context`](Self::with_context).
    /// - [`Error::WrongEngine`] if the store is on another engine, or [`Error::Unsupported`] if that has no transactions.
    /// - [`Error::TransactionEnded`] if `work` has ended the transaction.
    pub async fn with_transaction<X, F, T, E>(&self, work: F) -> Result<T, E>
    where
        X: Transaction,
        F: AsyncFnOnce(&mut TransactionContext<X>) -> Result<T, E> + Clone,
        E: FromError,
    {
        let engine = &*self.engine_of::<X>()?;
        let work =
            async move |ctx: &mut TransactionContext<X>| within::<X, _>(engine, work(ctx)).await;
        self.with_context_in(engine, work).await
    }

    /// Downcasts the engine to the one that this type of transaction belongs to.
    pub(crate) fn engine_of<X: Transaction>(&self) -> Result<Arc<X::Engine>> {
        require(self.engine(), Capability::Transactions)?;
        let engine: Arc<dyn Any + Send + Sync> = Arc::clone(&self.inner.engine) as _;
        engine.downcast().map_err(|_| Error::WrongEngine { wanted: X::DATABASE })
    }

    /// Does the same as [`with_context`](Self::with_context), in a transaction of the engine's database: the rows that
    /// `work` writes in it and the events that the context applies are committed together or not at all.
    ///
    /// For engines that wrap others; [`with_transaction`](Self::with_transaction) uses the store's own engine. Such a
    /// commit is not grouped with others.
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context), and the transactor's errors.
    pub async fn with_context_in<X, F, T, E>(&self, transactor: &X, work: F) -> Result<T, E>
    where
        X: Transactor,
        F: AsyncFnOnce(&mut TransactionContext<X::Transaction>) -> Result<T, E> + Clone,
        E: FromError,
    {
        let run = async move {
            // A turn is awaited between transactions, never inside one: an open transaction may itself be blocking
            // others.
            let mut reruns = self.begin(Reading::Storage)?;
            loop {
                match self.attempt_in(transactor, work.clone()).await {
                    Ok(value) => return Ok(value),
                    Err(failure) => self.wait_to_rerun(&mut reruns, failure).await?,
                }
            }
        };
        run.instrument(debug_span!("with_context_in")).await
    }

    async fn attempt_in<X, F, T, E>(&self, transactor: &X, work: F) -> Result<T, Attempt<E>>
    where
        X: Transactor,
        F: AsyncFnOnce(&mut TransactionContext<X::Transaction>) -> Result<T, E>,
    {
        let mut context = TransactionContext::begin(&self.inner, transactor, None)
            .await
            .map_err(Attempt::from)?;
        let worked = nesting::within(&self.inner, work(&mut context)).await;
        let value = worked.map_err(Attempt::Work)?;
        let (context, transaction) = context.into_parts();
        context.finish_in(transactor, transaction, Vec::new()).await.map_err(Attempt::Commit)?;
        Ok(value)
    }
}
