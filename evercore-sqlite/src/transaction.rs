//! Contexts whose events land together with the user's own rows.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{Commit, Committed, Settlement, Transaction, Transactor};
use evercore::{AggregateId, Result, TransactionContext};
use sqlx::SqliteConnection;
use tokio::runtime::Handle;

use crate::blocking::{blocking, current};
use crate::engine::SqliteEngine;
use crate::error::is_caused_by_what_passes;
use crate::nesting;
use crate::user_transaction::UserTransaction;

/// A transaction of the database, for the user's own statements: it derefs to the connection.
#[derive(Debug)]
pub struct SqliteTransaction {
    /// Taken when it ends.
    held: Option<UserTransaction>,
    runtime: Handle,
}

/// A context and the transaction that it lands in: `ctx.transaction()`.
///
/// As an argument, it makes [`EventStore::with_transaction`](evercore::EventStore::with_transaction) and
/// [`SubscriptionBuilder::run_in_transaction`](evercore::SubscriptionBuilder::run_in_transaction) open one in SQLite.
///
/// Keep the transaction short. SQLite has one writer: commits and other transactions wait until this one ends, up to
/// [`busy_timeout`](crate::SqliteOptions::busy_timeout), and then fail with [`Error::Busy`](evercore::Error::Busy). Reads do not wait; they see
/// what was committed before. In memory, the transaction begins with a copy of the database for them. While the
/// transaction of a subscription is open, nobody else writes, and so nobody takes its lease.
///
/// User code must not
/// - write to the store but through its context; that is an [`Error::NestedCommit`](evercore::Error::NestedCommit) at once, or an [`Error::Busy`](evercore::Error::Busy) in the
///   end if it is done on a task that it has spawned and waits for,
/// - commit or roll back; that undoes all, and is an [`Error::TransactionEnded`](evercore::Error::TransactionEnded). Savepoints are fine.
///
/// The connection is opened for this transaction, so that pragmas, temporary tables and hooks end with it; its commit
/// hook is taken. The id of an aggregate that is created in a transaction which does not land is given to another one
/// later.
///
/// # Example: rows that land with the events
/// ```
/// # use evercore::{Aggregate, Error, EventStore, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// # #[derive(Debug)]
/// # enum BankError { Sql(sqlx::Error), Store(Error) }
/// # impl From<sqlx::Error> for BankError { fn from(e: sqlx::Error) -> Self { Self::Sql(e) } }
/// # impl From<Error> for BankError { fn from(e: Error) -> Self { Self::Store(e) } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BankError> {
/// use evercore_sqlite::SqliteContext;
///
/// let store = EventStore::connect("sqlite::memory:").await?;
/// store
///     .with_transaction(async |ctx: &mut SqliteContext| {
///         sqlx::query("CREATE TABLE balances (account INTEGER PRIMARY KEY, amount INTEGER)")
///             .execute(&mut **ctx.transaction())
///             .await?;
///         let mut account = ctx.create_with_key::<Account>("NL91ABNA0417164300").await?;
///         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
///         sqlx::query("INSERT INTO balances VALUES (?, 7)")
///             .bind(account.id().get())
///             .execute(&mut **ctx.transaction())
///             .await?;
///         Ok::<_, BankError>(())
///     })
///     .await
/// # }
/// ```
///
/// # Example: a read model that takes each event into account once
/// ```no_run,standalone_crate
/// # use evercore::{Aggregate, Batch, EventStore, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// # async fn example(store: EventStore) -> evercore::Result<()> {
/// use evercore::BoxError;
/// use evercore_sqlite::SqliteContext;
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
///         Ok::<_, BoxError>(())
///     })
///     .await
/// # }
/// ```
pub type SqliteContext = TransactionContext<SqliteTransaction>;

impl Transaction for SqliteTransaction {
    type Engine = SqliteEngine;

    const DATABASE: &'static str = "SQLite";

    fn within<F: Future>(engine: &SqliteEngine, work: F) -> impl Future<Output = F::Output> {
        nesting::within(&engine.database, work)
    }
}

impl SqliteTransaction {
    fn held(&self) -> &UserTransaction {
        self.held.as_ref().expect(TAKEN)
    }

    fn held_mut(&mut self) -> &mut UserTransaction {
        self.held.as_mut().expect(TAKEN)
    }
}

const TAKEN: &str = "BUG: a transaction is held until it is finished or dropped";

impl Deref for SqliteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.held().connection()
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.held_mut().connection_mut()
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Others have their turn when the transaction is undone. A runtime that has ended drops it, which undoes it
            // as well.
            self.runtime.spawn(held.close());
        }
    }
}

#[async_trait]
impl Transactor for SqliteEngine {
    type Transaction = SqliteTransaction;

    // Nobody waits for a lock of the transaction but writers, and they for as long as the busy time-out at most.
    async fn begin(&self, _most_idle: Option<Duration>) -> Result<Self::Transaction> {
        self.check_may_write()?;
        // The driver and the end of the transaction need one.
        current()?;
        let turn = self.database.locks().take().await?;
        // Closed while this waited, maybe.
        self.check_may_write()?;
        let held = UserTransaction::begin(&self.database, &self.readers, turn).await?;
        Ok(SqliteTransaction { held: Some(held), runtime: self.runtime.clone() })
    }

    fn first_id(&self, transaction: &Self::Transaction) -> Option<AggregateId> {
        Some(transaction.held().first_id())
    }

    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        let held = transaction.held_mut();
        // SQLite says the same of another file, which user code may have written to.
        (is_caused_by_what_passes(error) && held.has_met_what_passes().await)
            || held.is_lost().await
    }

    async fn finish(
        &self,
        mut transaction: Self::Transaction,
        commit: Commit,
        settlement: Option<&Settlement>,
    ) -> Result<Committed> {
        let (types, settlement) = (Arc::clone(&self.types), settlement.cloned());
        // The transaction is with whoever works on it: if this is dropped, it lands or not, and is closed then.
        let (mut transaction, landed) = blocking(move || {
            let landed = transaction.held_mut().land(&types, &commit, settlement.as_ref());
            (transaction, landed)
        })
        .await?;
        if let Some(held) = transaction.held.take() {
            held.close().await;
        }
        if landed.is_ok() {
            self.database.grown().notify();
        }
        landed
    }
}
