//! Opens contexts in a transaction of the store's own database, which the type of the context names.

use std::any::Any;

use tracing::{Instrument, debug_span};

use super::EventStore;
use super::attempt::Attempt;
use crate::context::{Reading, TransactionContext};
use crate::engine::{Transaction, Transactor};
use crate::shared::nesting;
use crate::{Error, Result};

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

    /// As [`with_context`](Self::with_context), in a transaction of the engine's database: what `work` does in it and
    /// what the context applies land together or not at all.
    ///
    /// For engines that stand before others; [`with_transaction`](Self::with_transaction) finds the store's own one. Such a
    /// commit is not grouped with others.
    ///
    /// # Errors
    /// As [`with_context`](Self::with_context), and what the transactor says.
    pub async fn with_context_in<X, F, T, E>(&self, transactor: &X, work: F) -> Result<T, E>
    where
        X: Transactor,
        F: AsyncFnOnce(&mut TransactionContext<X::Transaction>) -> Result<T, E> + Clone,
        E: From<Error>,
    {
        let run = async move {
            // A turn is waited for between the transactions, never in one, which others may wait for in turn.
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
        context.finish_in(transactor, transaction, None).await.map_err(Attempt::Commit)?;
        Ok(value)
    }
}
