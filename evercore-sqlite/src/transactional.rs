//! Subscriptions whose handlers write in the transaction that records them.

use std::any::Any;

use evercore::engine::StorageEngine;
use evercore::{Batch, BoxError, Error, Result, SubscriptionBuilder};

use crate::engine::SqliteEngine;
use crate::{SqliteContext, nesting};

/// What a durable subscription on SQLite can do besides.
pub trait SqliteSubscriptionExt {
    /// As [`SubscriptionBuilder::run`], with each batch in a transaction of the database: the rows that the handler
    /// writes in it, the events that it applies and the subscription's own record land together or not at all. An event
    /// takes effect **exactly once**, whatever fails.
    ///
    /// The handler must not write to the store but through its context, nor commit: see
    /// [`with_transaction`](crate::SqliteStoreExt::with_transaction). While it runs, nobody else writes, and so nobody
    /// takes its lease.
    ///
    /// # Errors
    /// - As [`SubscriptionBuilder::run`].
    /// - [`Error::WrongEngine`] if the store is on another engine.
    ///
    /// # Example
    /// ```no_run,standalone_crate
    /// # use evercore::{Aggregate, Batch, EventStore, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # async fn example(store: EventStore) -> evercore::Result<()> {
    /// use evercore_sqlite::{SqliteContext, SqliteSubscriptionExt};
    ///
    /// store
    ///     .subscription("balances")
    ///     .event::<BalanceSet>()
    ///     .run_in_transaction(async |ctx: &mut SqliteContext, batch: Batch| {
    ///         for event in &batch {
    ///             sqlx::query("INSERT INTO balances VALUES (?, ?)")
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
        F: AsyncFnOnce(&mut SqliteContext, Batch) -> Result<(), E> + Clone,
        E: Into<BoxError>;
}

impl SqliteSubscriptionExt for SubscriptionBuilder {
    async fn run_in_transaction<F, E>(self, handler: F) -> Result<()>
    where
        F: AsyncFnOnce(&mut SqliteContext, Batch) -> Result<(), E> + Clone,
        E: Into<BoxError>,
    {
        let store = self.store();
        let engine: &dyn StorageEngine = store.engine();
        let engine: &dyn Any = engine;
        let engine: &SqliteEngine =
            engine.downcast_ref().ok_or(Error::WrongEngine { wanted: "SQLite" })?;
        let handler = async move |ctx: &mut SqliteContext, batch: Batch| {
            nesting::within(&engine.database, handler(ctx, batch)).await
        };
        self.run_in(engine, handler).await
    }
}
