//! Implements contexts whose events are committed together with the user's own rows.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{Commit, Transaction, Transactor};
use evercore::{AggregateId, Committed, Result, TransactionContext};
use sqlx::SqliteConnection;
use tokio::runtime::Handle;

use crate::blocking::{blocking, current};
use crate::engine::SqliteEngine;
use crate::error::is_transient_abort;
use crate::nesting;
use crate::user_transaction::UserTransaction;

/// A transaction of the database, for the user's own statements: it derefs to the connection.
#[derive(Debug)]
pub struct SqliteTransaction {
    /// `None` once the transaction has ended.
    held: Option<UserTransaction>,
    runtime: Handle,
}

/// A context and the transaction that commits it, as `ctx.transaction()`.
///
/// As the closure's argument, it makes [`EventStore::with_transaction`](evercore::EventStore::with_transaction) and
/// [`SubscriptionBuilder::run_in_transaction`](evercore::subscription::SubscriptionBuilder::run_in_transaction) open a
/// SQLite transaction.
///
/// Keep the transaction short. SQLite has one writer: commits and other transactions wait until this one ends, up to
/// [`busy_timeout`](crate::SqliteOptions::busy_timeout), and then fail with [`Error::Busy`](evercore::Error::Busy).
/// Reads do not wait; they see the data from before the transaction. For a database in memory, the transaction begins
/// by copying it for them. While the transaction of a subscription is open, no other worker can write, and so none can
/// take its lease.
///
/// User code must not
/// - write to the store except through its context; such a write fails with
///   [`Error::NestedCommit`](evercore::Error::NestedCommit) at once, or with [`Error::Busy`](evercore::Error::Busy)
///   after the busy timeout if the closure waits for a spawned task that makes it,
/// - commit or roll back; that undoes everything, and the result is
///   [`Error::TransactionEnded`](evercore::Error::TransactionEnded). Savepoints are fine.
///
/// The connection is opened for this transaction, so that pragmas, temporary tables and hooks end with it; its commit
/// hook is used by the engine. If a transaction that creates an aggregate is not committed, the aggregate's id is given
/// to another one later.
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
///     .with_transaction(async |ctx: &mut SqliteContext| -> Result<(), BankError> {
///         sqlx::query("CREATE TABLE balances (account INTEGER PRIMARY KEY, amount INTEGER)")
///             .execute(&mut **ctx.transaction())
///             .await?;
///         let mut account = ctx.create_with_key::<Account>("NL91ABNA0417164300").await?;
///         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
///         sqlx::query("INSERT INTO balances VALUES (?, 7)")
///             .bind(account.id().get())
///             .execute(&mut **ctx.transaction())
///             .await?;
///         Ok(())
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
///     .run_in_transaction(async |ctx: &mut SqliteContext, batch: Batch| -> Result<(), BoxError> {
///         for event in &batch {
///             sqlx::query("INSERT INTO balances VALUES (?, ?)")
///                 .bind(event.aggregate_id().get())
///                 .bind(event.decode::<BalanceSet>()?.balance)
///                 .execute(&mut **ctx.transaction())
///                 .await?;
///         }
///         Ok(())
///     })
///     .await
/// # }
/// ```
pub type SqliteContext = TransactionContext<SqliteTransaction>;

impl Transaction for SqliteTransaction {
    type Engine = SqliteEngine;

    const DATABASE: &'static str = "SQLite";

    fn within<T>(engine: &SqliteEngine, poll: impl FnOnce() -> T) -> T {
        nesting::within(&engine.database, poll)
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
            // Other writers continue once the transaction is undone. If the runtime has ended, the task is dropped,
            // which undoes the transaction as well.
            self.runtime.spawn(held.close());
        }
    }
}

#[async_trait]
impl Transactor for SqliteEngine {
    type Transaction = SqliteTransaction;

    // Needs no limit on idle time: only writers wait for a transaction's lock, and only up to the busy timeout.
    async fn begin(&self, _most_idle: Option<Duration>) -> Result<Self::Transaction> {
        self.check_may_write()?;
        // The driver and the end of the transaction need a runtime.
        current()?;
        let turn = self.database.locks().take().await?;
        // The engine may have been closed while this waited.
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
        // The error may come from another SQLite file that user code writes to, so the connection is asked as well.
        (is_transient_abort(error) && held.has_met_what_passes().await) || held.is_lost().await
    }

    async fn finish(
        &self,
        mut transaction: Self::Transaction,
        commit: Commit,
    ) -> Result<Committed> {
        let types = Arc::clone(&self.types);
        let enqueues = commit.enqueues();
        // The transaction moves into the blocking task: if this future is dropped, the task still commits or fails, and
        // then drops the transaction.
        let (mut transaction, landed) = blocking(move || {
            let landed = transaction.held_mut().land(&types, &commit);
            (transaction, landed)
        })
        .await?;
        if let Some(held) = transaction.held.take() {
            held.close().await;
        }
        if landed.is_ok() {
            self.database.notify_of(enqueues);
        }
        landed
    }
}
