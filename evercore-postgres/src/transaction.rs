//! Implements contexts whose events are committed together with the user's own rows.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AggregateWrite, Commit, Completion, Positions, Settled, Transaction, Transactor, timeout,
};
use evercore::error::ConflictReason;
use evercore::{AggregateId, Committed, Error, Report, Result, TransactionContext};
use sqlx::{AssertSqlSafe, PgConnection};
use tracing::debug;

use crate::begin::{BEGIN, begin};
use crate::engine::PostgresEngine;
use crate::error::{CommitFailure, classify, classify_commit, is_transient_abort, silence};
use crate::held::Place;
use crate::shared::Shared;
use crate::subscriptions::settle;
use crate::tags::TagLocks;
use crate::types::type_names;
use crate::writer::{Columns, verdict};

/// The longest time-out that the server accepts, in milliseconds.
const MOST_MILLIS: u128 = 2_147_483_647;

/// A transaction of the database, for the user's own statements: it derefs to the connection.
///
/// The type has no lifetime parameter: the compiler cannot prove that a future holding the driver's own type, which has
/// one, is `Send`.
#[derive(Debug)]
pub struct PostgresTransaction {
    transaction: sqlx::PgTransaction<'static>,
    /// A setting that lasts as long as the transaction, so that the engine recognises a transaction that user code has
    /// ended.
    mark: String,
    _place: Place,
}

/// The state of a transaction after user code had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransactionStatus {
    Open,
    /// A statement has failed in it; the server accepts only a ROLLBACK.
    Aborted,
    /// User code has ended it.
    Ended,
}

/// A context and the transaction that commits it, as `ctx.transaction()`.
///
/// As the closure's argument, it makes [`EventStore::with_transaction`](evercore::EventStore::with_transaction) and
/// [`SubscriptionBuilder::run_in_transaction`](evercore::subscription::SubscriptionBuilder::run_in_transaction) open a
/// PostgreSQL transaction.
///
/// User code must neither commit nor roll back. If it does, no applied event is stored, and the result is
/// [`Error::TransactionEnded`]; rows that user code committed itself stay. Savepoints are fine.
///
/// The transaction of a subscription may be idle for at most the duration of the lease. Then the server ends it, so
/// that a stuck worker holds no lock that its successor needs.
///
/// # Example: rows that land with the events
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
/// use evercore_postgres::PostgresContext;
///
/// store
///     .with_transaction(async |ctx: &mut PostgresContext| -> Result<(), BankError> {
///         let mut account = ctx.load_by_key::<Account>("NL91ABNA0417164300").await?;
///         ctx.apply(&mut account, BalanceSet { balance: 7 })?;
///         sqlx::query("UPDATE balances SET amount = 7 WHERE account = $1")
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
/// ```no_run
/// # use evercore::{Aggregate, Batch, EventStore, state_event};
/// # #[derive(Aggregate, Default)]
/// # struct Account { balance: i64 }
/// # #[state_event(aggregate = Account)]
/// # struct BalanceSet { balance: i64 }
/// # async fn example(store: EventStore) -> evercore::Result<()> {
/// use evercore::BoxError;
/// use evercore_postgres::PostgresContext;
///
/// store
///     .subscription("balances")
///     .event::<BalanceSet>()
///     .run_in_transaction(async |ctx: &mut PostgresContext, batch: Batch| -> Result<(), BoxError> {
///         for event in &batch {
///             sqlx::query("INSERT INTO balances VALUES ($1, $2)")
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
pub type PostgresContext = TransactionContext<PostgresTransaction>;

impl Transaction for PostgresTransaction {
    type Engine = PostgresEngine;

    const DATABASE: &'static str = "PostgreSQL";

    // Needs no check: a write to the store uses another connection, and waits only for rows that both write.
    fn within<T>(_: &PostgresEngine, poll: impl FnOnce() -> T) -> T {
        poll()
    }
}

impl PostgresTransaction {
    async fn check_not_ended(&mut self) -> Result<()> {
        match self.status().await? {
            TransactionStatus::Open => Ok(()),
            TransactionStatus::Aborted | TransactionStatus::Ended => Err(Error::TransactionEnded),
        }
    }

    async fn status(&mut self) -> Result<TransactionStatus> {
        let is_same = sqlx::query_scalar(include_str!("is_same_transaction.sql"))
            .bind(&self.mark)
            .fetch_one(&mut *self.transaction)
            .await;
        match is_same {
            Ok(true) => Ok(TransactionStatus::Open),
            Ok(false) => Ok(TransactionStatus::Ended),
            // in_failed_sql_transaction
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("25P02") => {
                Ok(TransactionStatus::Aborted)
            }
            Err(error) => Err(classify("end a transaction", error)),
        }
    }
}

impl Deref for PostgresTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for PostgresTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

#[async_trait]
impl Transactor for PostgresEngine {
    type Transaction = PostgresTransaction;

    async fn begin(&self, most_idle: Option<Duration>) -> Result<Self::Transaction> {
        let failed = |error| classify("begin a transaction", error);
        let mark = uuid::Uuid::now_v7().to_string();
        // Sent with BEGIN, to save a round trip.
        let mut sql = format!("{BEGIN}; SET LOCAL evercore.transaction = '{mark}'");
        if let Some(most_idle) = most_idle {
            let millis = most_idle.as_millis().clamp(1, MOST_MILLIS);
            sql.push_str(&format!("; SET LOCAL idle_in_transaction_session_timeout = {millis}"));
        }
        let patience = self.shared.options.answer_timeout;
        let sql = &sql;
        let begun = self.shared.answered(|| async move {
            let (connection, place) = self.shared.held.acquire().await.map_err(failed)?;
            let begun = begin(connection, AssertSqlSafe(sql.clone()), patience).await;
            Ok((begun.map_err(failed)?, place))
        });
        let (transaction, place) = begun.await?;
        Ok(PostgresTransaction { transaction, mark, _place: place })
    }

    fn first_id(&self, _: &Self::Transaction) -> Option<AggregateId> {
        None
    }

    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        let patience = self.shared.options.answer_timeout;
        match timeout(patience, transaction.status()).await {
            Ok(Ok(TransactionStatus::Open | TransactionStatus::Ended)) => false,
            // Only the error of the statement that failed says why.
            Ok(Ok(TransactionStatus::Aborted)) => is_transient_abort(error),
            Ok(Err(error)) => error.is_retryable(),
            Err(_elapsed) => {
                self.shared.readers.let_go();
                true
            }
        }
    }

    async fn finish(&self, transaction: Self::Transaction, commit: Commit) -> Result<Committed> {
        let id = commit.id;
        let patience = self.shared.options.answer_timeout;
        let finished = timeout(patience, self.land_within(transaction, commit)).await;
        let finished = finished.unwrap_or_else(|_elapsed| {
            // Finding out the outcome on one of the other connections would wait as long again.
            self.shared.readers.let_go();
            Err(Error::OutcomeUnknown { commit: id, source: silence().into() })
        });
        finished.map_err(|error| self.shared.runtime.reason(error))
    }
}

impl PostgresEngine {
    async fn land_within(
        &self,
        mut transaction: PostgresTransaction,
        commit: Commit,
    ) -> Result<Committed> {
        transaction.check_not_ended().await?;
        let nothing = Committed::new(commit.id, Positions::NONE);
        // The server undoes everything if a failure comes before COMMIT is sent.
        let only_settles =
            commit.completes.iter().any(|done| matches!(done, Completion::Settlement(_)))
                && commit.writes.is_empty()
                && commit.tasks.is_empty()
                && commit.conditions.is_empty();
        let committed = if only_settles {
            nothing.clone()
        } else {
            self.append_within(&mut transaction, &commit).await?
        };
        for completion in &commit.completes {
            // Tasks are completed with the rest of the commit.
            let Completion::Settlement(settlement) = completion else { continue };
            let statements = self.subscription_statements();
            if settle(&mut *transaction, statements, settlement).await? == Settled::Before {
                return Ok(nothing);
            }
        }
        match transaction.transaction.commit().await.map_err(classify_commit) {
            Ok(()) => {
                self.shared.notifications.committed();
                if commit.enqueues() {
                    self.shared.notifications.enqueued();
                }
                Ok(committed)
            }
            Err(CommitFailure::Unknown(error)) => {
                Err(Error::OutcomeUnknown { commit: commit.id, source: error.into() })
            }
            Err(failure) => Err(undone("commit a transaction", failure, &commit)),
        }
    }

    async fn append_within(
        &self,
        transaction: &mut PostgresTransaction,
        commit: &Commit,
    ) -> Result<Committed> {
        self.store_types(&type_names(commit)).await?;
        let Shared { types, statements, .. } = &*self.shared;
        let locks = TagLocks::of(commit);
        let columns = Columns::new([commit], &[&locks], &types.known())?;
        let rows = columns
            .send(transaction, statements)
            .await
            .map_err(|error| undone("append to a transaction", classify_commit(error), commit))?;
        let row = rows.first().ok_or_else(|| Error::corrupt("verdict", "it has no row"))?;
        verdict::read(row, commit)
    }
}

/// Converts the rollback, by the server, of a transaction that was to end with this commit. A lost race becomes a
/// conflict if the commit writes to an aggregate.
fn undone(operation: &'static str, failure: CommitFailure, commit: &Commit) -> Error {
    let error = match failure {
        CommitFailure::LostRace(error) => error,
        CommitFailure::NotRun(error)
        | CommitFailure::RolledBack(error)
        | CommitFailure::Unknown(error) => return classify(operation, error),
    };
    match commit.writes.first() {
        // A rerun sees the other transaction's result.
        Some(AggregateWrite { id, aggregate_type, .. }) => {
            debug!(error = %Report::new(&error), "the server aborted this transaction in favor of another one");
            let aggregate = (*aggregate_type).to_owned();
            Error::Conflict { aggregate, id: *id, reason: ConflictReason::Deadlock }
        }
        None => classify(operation, error),
    }
}
