//! Contexts whose events land together with the user's own rows.

use std::any::Any;
use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use evercore::engine::{Commit, Committed, StorageEngine, TransactionContext, Transactor};
use evercore::{Error, EventStore, Result};
use sqlx::PgConnection;

use crate::append::Columns;
use crate::engine::{PostgresEngine, Shared, type_names};
use crate::error::classify;
use crate::verdict;

/// A transaction of the database, for the user's own statements: it derefs to the connection.
///
/// A type without a lifetime, since a future that holds the driver's, which has one, is not known to be `Send`.
#[derive(Debug)]
pub struct PostgresTransaction(sqlx::PgTransaction<'static>);

/// A context and the transaction that it lands in: `ctx.transaction()`.
pub type PostgresContext = TransactionContext<PostgresTransaction>;

/// What a store on PostgreSQL can do besides.
pub trait PostgresStoreExt {
    /// As [`EventStore::with_context`], with a transaction of the database beside the context: the rows that `work`
    /// writes in it and the events that it applies land together or not at all.
    ///
    /// `work` runs again on a conflict, in a new transaction. Keep the transaction short: such a commit is not grouped
    /// with others, and locks that it takes are held to its end.
    ///
    /// # Errors
    /// - As [`EventStore::with_context`].
    /// - [`Error::WrongEngine`] if the store is on another engine.
    ///
    /// # Example
    /// ```no_run
    /// # use evercore::{Aggregate, Error, EventStore, state_event};
    /// # #[derive(Aggregate, Default)]
    /// # struct Account { balance: i64 }
    /// # #[state_event(aggregate = Account)]
    /// # struct BalanceSet { balance: i64 }
    /// # #[derive(Debug)]
    /// # enum BankError { Sql(sqlx::Error), Store(Error) }
    /// # impl From<sqlx::Error> for BankError { fn from(e: sqlx::Error) -> Self { Self::Sql(e) } }
    /// # impl From<Error> for BankError { fn from(e: Error) -> Self { Self::Store(e) } }
    /// # async fn example(store: EventStore) -> Result<(), BankError> {
    /// use evercore_postgres::PostgresStoreExt;
    ///
    /// store
    ///     .with_transaction(async |ctx| {
    ///         let mut account = ctx.load_by_key::<Account>("NL91ABNA0417164300").await?;
    ///         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
    ///         sqlx::query("UPDATE balances SET amount = 7 WHERE account = $1")
    ///             .bind(account.id().get())
    ///             .execute(&mut **ctx.transaction())
    ///             .await?;
    ///         Ok::<_, BankError>(())
    ///     })
    ///     .await
    /// # }
    /// ```
    fn with_transaction<F, T, E>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        F: AsyncFnOnce(&mut PostgresContext) -> Result<T, E> + Clone,
        E: From<Error>;
}

impl PostgresStoreExt for EventStore {
    async fn with_transaction<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut PostgresContext) -> Result<T, E> + Clone,
        E: From<Error>,
    {
        let engine: &dyn StorageEngine = self.engine();
        let engine: &dyn Any = engine;
        let engine: &PostgresEngine =
            engine.downcast_ref().ok_or(Error::WrongEngine { wanted: "PostgreSQL" })?;
        self.with_context_in(engine, work).await
    }
}

impl Deref for PostgresTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for PostgresTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

#[async_trait]
impl Transactor for PostgresEngine {
    type Transaction = PostgresTransaction;

    async fn begin(&self) -> Result<Self::Transaction> {
        let began = self.shared.held.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
        began.map(PostgresTransaction).map_err(|error| classify("begin a transaction", error))
    }

    async fn finish(
        &self,
        mut transaction: Self::Transaction,
        commit: Commit,
    ) -> Result<Committed> {
        self.store_types(&type_names(&commit)).await?;
        let Shared { types, statements, notifications, .. } = &*self.shared;
        let columns = Columns::new([&commit], &types.known())?;
        // Whatever goes wrong before COMMIT was sent is undone by the server.
        let rows = columns
            .send(&mut transaction, statements)
            .await
            .map_err(|error| classify("append to a transaction", error))?;
        let row = rows.first().ok_or_else(|| Error::corrupt("verdict", "it is missing"))?;
        let committed = verdict::read(row, &commit)?;
        match transaction.0.commit().await {
            Ok(()) => {
                notifications.committed();
                Ok(committed)
            }
            Err(error @ sqlx::Error::Database(_)) => Err(classify("commit a transaction", error)),
            Err(error) => Err(Error::OutcomeUnknown { commit: commit.id, source: error.into() }),
        }
    }
}
