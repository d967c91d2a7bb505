//! Subscriptions whose handlers write in the transaction that records them.

use std::any::Any;

use evercore::engine::StorageEngine;
use evercore::{Batch, BoxError, Error, Result, SubscriptionBuilder};

use crate::PostgresContext;
use crate::engine::PostgresEngine;

/// What a durable subscription on PostgreSQL can do besides.
pub trait PostgresSubscriptionExt {
    /// As [`SubscriptionBuilder::run`], with each batch in a transaction of the database: the rows that the handler
    /// writes in it, the events that it applies and the subscription's own record land together or not at all. An event
    /// takes effect **exactly once**, whatever fails.
    ///
    /// The transaction may do nothing for as long as the lease lasts at most; then the server ends it, so that a worker
    /// that is stuck holds no lock that its successor needs.
    ///
    /// # Errors
    /// - As [`SubscriptionBuilder::run`].
    /// - [`Error::WrongEngine`] if the store is on another engine.
    ///
    /// # Example
    /// ```no_run
    /// # use evercore::{Aggregate, Batch, EventStore, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # async fn example(store: EventStore) -> evercore::Result<()> {
    /// use evercore_postgres::{PostgresContext, PostgresSubscriptionExt};
    ///
    /// store
    ///     .subscription("balances")
    ///     .event::<BalanceSet>()
    ///     .run_in_transaction(async |ctx: &mut PostgresContext, batch: Batch| {
    ///         for event in &batch {
    ///             sqlx::query("INSERT INTO balances VALUES ($1, $2)")
    ///                 .bind(event.aggregate_id().get())
    ///                 .bind(event.decode::<BalanceSet>()?.balance)
    ///                 .execute(&mut **ctx.transaction())
    ///                 .await?;
    ///         }
    ///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    ///     })
    ///     .await
    /// # }
    /// ```
    fn run_in_transaction<F, E>(self, handler: F) -> impl Future<Output = Result<()>>
    where
        F: AsyncFnOnce(&mut PostgresContext, Batch) -> Result<(), E> + Clone,
        E: Into<BoxError>;
}

impl PostgresSubscriptionExt for SubscriptionBuilder {
    async fn run_in_transaction<F, E>(self, handler: F) -> Result<()>
    where
        F: AsyncFnOnce(&mut PostgresContext, Batch) -> Result<(), E> + Clone,
        E: Into<BoxError>,
    {
        let store = self.store();
        let engine: &dyn StorageEngine = store.engine();
        let engine: &dyn Any = engine;
        let engine: &PostgresEngine =
            engine.downcast_ref().ok_or(Error::WrongEngine { wanted: "PostgreSQL" })?;
        self.run_in(engine, handler).await
    }
}
