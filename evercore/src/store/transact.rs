//! Contexts that land in a transaction which user code takes part in. For authors of engines.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::{Instrument, debug_span};

use super::attempt::Attempt;
use super::{EventStore, nesting};
use crate::context::{Queueing, Reading};
use crate::engine::{Commit, Committed, Settlement};
use crate::shared::Shared;
use crate::shared::id_pool::Ids;
use crate::{AggregateId, Context, Error, Result};

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

/// A [`Context`] and the transaction that it lands in.
///
/// It is used as the context that it derefs to. The context's reads are not part of the transaction: they see what was
/// committed, and what the context has staged.
#[derive(Debug)]
pub struct TransactionContext<X> {
    context: Context,
    transaction: X,
}

impl<X> TransactionContext<X> {
    /// Opens a transaction, and the context that lands in it.
    pub(crate) async fn begin<T: Transactor<Transaction = X>>(
        store: &Arc<Shared>,
        transactor: &T,
        most_idle: Option<Duration>,
    ) -> Result<Self> {
        let transaction = transactor.begin(most_idle).await?;
        let ids = transactor.first_id(&transaction).map_or(Ids::Pool, Ids::From);
        let context = Context::new(Arc::clone(store), ids, Reading::Storage, Queueing::Passes);
        Ok(Self { context, transaction })
    }

    pub(crate) fn into_parts(self) -> (Context, X) {
        (self.context, self.transaction)
    }

    /// Whether it was the transaction, or a read of the context, that failed when the work ended with an error.
    pub(crate) async fn has_failed<T: Transactor<Transaction = X>>(
        &mut self,
        transactor: &T,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        self.context.has_met_trouble() || transactor.has_failed(&mut self.transaction, error).await
    }

    /// The transaction, for the user's own statements.
    pub fn transaction(&mut self) -> &mut X {
        &mut self.transaction
    }
}

impl<X> Deref for TransactionContext<X> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl<X> DerefMut for TransactionContext<X> {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl EventStore {
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
