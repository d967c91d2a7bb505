//! A context beside a transaction that it lands in.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::{Queueing, Reading};
use crate::engine::Transactor;
use crate::shared::Shared;
use crate::shared::id_pool::Ids;
use crate::{Context, Result};

/// A [`Context`] and the transaction that it is committed in.
///
/// It derefs to the context. The context's reads are not part of the transaction: they see committed data, and what the
/// context has staged.
#[derive(Debug)]
pub struct TransactionContext<X> {
    context: Context,
    transaction: X,
}

impl<X> TransactionContext<X> {
    /// Opens a transaction, and a context that will be committed in it.
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

    /// Returns whether the work's error comes from a failure of the transaction, or of a read of the context.
    pub(crate) async fn has_failed<T: Transactor<Transaction = X>>(
        &mut self,
        transactor: &T,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        self.context.has_met_trouble() || transactor.has_failed(&mut self.transaction, error).await
    }

    /// Returns the transaction, for the user's own statements.
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
