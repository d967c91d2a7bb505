//! Runs durable subscriptions whose handlers write in the transaction that settles their batch.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::builder::SubscriptionBuilder;
use super::deliver::{Transactional, Within};
use super::handle::SubscriptionHandle;
use super::service::{IF_ABORTED, name_of, run_as_service};
use super::transaction_handler::TransactionHandler;
use super::worker;
use crate::Result;
use crate::engine::{Transaction, Transactor};
use crate::service::{Lifecycle, Service, ServiceError};

/// A durable subscription and its handler in transactions, as a [`Service`]. Made by
/// [`SubscriptionBuilder::handler_in_transaction`].
#[must_use = "a service does nothing until it is run"]
pub struct TransactionService<X, H> {
    subscription: SubscriptionBuilder,
    handler: H,
    transaction: PhantomData<fn() -> X>,
}

impl SubscriptionBuilder {
    /// Like [`run`](Self::run), with each batch in a database transaction: the rows that the handler writes in it, the
    /// events that it applies and the subscription's cursor are committed together or not at all. An event takes effect
    /// **exactly once**, whatever fails.
    ///
    /// A failure of the transaction, such as a lost connection, a deadlock or a full disk, does not count as the
    /// handler's: the batch is rolled back and given again, whatever [`on_failure`](Self::on_failure) says. If the
    /// handler applies something that cannot be committed, that counts as the handler's failure.
    ///
    /// The type of the handler's first argument names the store's engine: `PostgresContext` or `SqliteContext`. Their
    /// docs have an example and the rules of each engine. The handler must neither commit nor roll back.
    ///
    /// # Errors
    /// - Those of [`run`](Self::run).
    /// - [`Error::WrongEngine`](crate::Error::WrongEngine) if the store is on another engine, or
    ///   [`Error::Unsupported`](crate::Error::Unsupported) if that has no transactions.
    pub async fn run_in_transaction<X: Transaction, H: TransactionHandler<X>>(
        mut self,
        handler: H,
    ) -> Result<()> {
        let deliver = self.in_transaction::<X, H>(handler)?;
        let (config, worker) = self.begin()?;
        worker::run(config, worker, deliver).await
    }

    /// Like [`run_in_transaction`](Self::run_in_transaction), in a task of its own.
    ///
    /// # Errors
    /// - Those of [`spawn`](Self::spawn).
    /// - [`Error::WrongEngine`](crate::Error::WrongEngine) if the store is on another engine, or
    ///   [`Error::Unsupported`](crate::Error::Unsupported) if that has no transactions.
    pub fn spawn_in_transaction<X, H>(self, handler: H) -> Result<SubscriptionHandle>
    where
        X: Transaction,
        H: TransactionHandler<X> + 'static,
    {
        let deliver = self.in_transaction::<X, H>(handler)?;
        self.spawn_with(|config, worker| worker::run(config, worker, deliver))
    }

    /// Like [`run_in_transaction`](Self::run_in_transaction), with the transactions of an engine that wraps the
    /// store's.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub async fn run_in<X, H>(mut self, transactor: &X, handler: H) -> Result<()>
    where
        X: Transactor,
        H: TransactionHandler<X::Transaction>,
    {
        let deliver = self.transactional(transactor, handler);
        let (config, worker) = self.begin()?;
        worker::run(config, worker, deliver).await
    }

    /// Makes a [`Service`] of the subscription with a handler in transactions, for a program that supervises its
    /// services.
    ///
    /// The service is ready once the subscription is stored. It fails as
    /// [`run_in_transaction`](Self::run_in_transaction) does, and can be run again.
    pub const fn handler_in_transaction<X, H>(self, handler: H) -> TransactionService<X, H>
    where
        X: Transaction,
        H: TransactionHandler<X>,
    {
        TransactionService { subscription: self, handler, transaction: PhantomData }
    }

    /// Makes the delivery to a handler in transactions of the store's own engine.
    fn in_transaction<X: Transaction, H>(&self, handler: H) -> Result<OnOwnEngine<X, H>> {
        let engine = self.store().engine_of::<X>()?;
        let handler = Within { engine: Arc::clone(&engine), handler };
        Ok(self.transactional(engine, handler))
    }

    fn transactional<T, H>(&self, transactor: T, handler: H) -> Transactional<T, H> {
        let store = Arc::clone(&self.store().inner);
        Transactional { handler, transactor, store, most_idle: self.longest_lease() }
    }
}

type OnOwnEngine<X, H> = Transactional<Arc<<X as Transaction>::Engine>, Within<X, H>>;

impl<X: Transaction, H: TransactionHandler<X> + 'static> Service for TransactionService<X, H> {
    fn name(&self) -> &str {
        name_of(&self.subscription)
    }

    async fn run(&mut self, lifecycle: &Lifecycle) -> Result<(), ServiceError> {
        let deliver = self.subscription.in_transaction::<X, H>(self.handler.clone())?;
        run_as_service(&mut self.subscription, deliver, lifecycle).await
    }

    fn if_aborted(&self) -> &'static str {
        IF_ABORTED
    }
}

impl<X, H: fmt::Debug> fmt::Debug for TransactionService<X, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, handler, transaction: _ } = self;
        f.debug_struct("TransactionService")
            .field("subscription", subscription)
            .field("handler", handler)
            .finish()
    }
}
