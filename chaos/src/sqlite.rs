//! The user's code and tables on SQLite.

use std::any::Any;

use async_trait::async_trait;
use evercore::engine::{Commit, Completion, StorageEngine, Transactor};
use evercore::subscription::SubscriptionBuilder;
use evercore::{AggregateId, Batch, BoxError, Committed, EventStore};
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteTransaction};
use sqlx::{Connection, Row, SqliteConnection};

use crate::domain::{Entered, Entry, Ledger};
use crate::plan::Fence;
use crate::verdict::Written;
use crate::violation::MovedBack;
use crate::worker::linger;
use crate::writer::{Failure, Intent};

const SET_UP: &str = include_str!("sqlite/set_up.sql");
const HANDLE: &str = include_str!("sqlite/handle.sql");
const STANDS: &str = include_str!("sqlite/stands.sql");

/// Creates the tables of the handlers, and a trigger that records each cursor that moves back.
pub(crate) async fn set_up(url: &str) -> anyhow::Result<()> {
    let mut connection = SqliteConnection::connect(url).await?;
    sqlx::raw_sql(SET_UP).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Reads the handlers' effects, in the order of writing, and the cursors that have moved back.
pub(crate) async fn read(url: &str) -> anyhow::Result<Written> {
    let mut connection = SqliteConnection::connect(url).await?;
    let handled = sqlx::query("SELECT position, aggregate_id, sequence FROM handled ORDER BY id")
        .fetch_all(&mut connection)
        .await?;
    let moved_back = sqlx::query("SELECT subscription, number, was, became FROM moved_back")
        .fetch_all(&mut connection)
        .await?;
    let beside =
        sqlx::query_scalar("SELECT attempt FROM written_beside").fetch_all(&mut connection).await?;
    connection.close().await?;
    let handled = handled.iter().map(|row| Ok(Entry::new(row.get(0), row.get(1), row.get(2))?));
    let moved_back = moved_back.iter().map(|row| MovedBack {
        subscription: row.get(0),
        partition: row.get(1),
        was: row.get(2),
        became: row.get(3),
    });
    Ok(Written {
        handled: handled.collect::<anyhow::Result<_>>()?,
        moved_back: moved_back.collect(),
        beside,
    })
}

/// Runs the handler that writes in the transaction.
pub(crate) async fn run(
    subscription: SubscriptionBuilder,
    worker: &str,
    fence: Fence,
) -> evercore::Result<()> {
    let handler = async |ctx: &mut SqliteContext, batch: Batch| {
        for event in &batch {
            let Entry { position, aggregate, sequence } = event.into();
            sqlx::query(HANDLE)
                .bind(position.get())
                .bind(aggregate.get())
                .bind(sequence.get())
                .bind(worker)
                .execute(&mut **ctx.transaction())
                .await?;
        }
        linger().await;
        Ok::<_, BoxError>(())
    };
    match fence {
        Fence::Kept => subscription.run_in_transaction(handler).await,
        Fence::Removed => {
            let store = subscription.store();
            subscription.run_in(&Unfenced(engine(&store)), handler).await
        }
    }
}

/// Writes an entry together with the user's own row.
pub(crate) async fn transact(
    store: &EventStore,
    ledger: AggregateId,
    attempt: i64,
    intent: Intent,
) -> Result<(), Failure> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            let mut ledger = ctx.load::<Ledger>(ledger).await?;
            ctx.apply(&mut ledger, Entered { attempt })?;
            sqlx::query("INSERT INTO written_beside (attempt) VALUES (?)")
                .bind(attempt)
                .execute(&mut **ctx.transaction())
                .await?;
            intent.outcome()
        })
        .await
}

/// Settles regardless of the lease's holder and the cursor, by replacing the worker's token and cursor with the stored
/// ones. No other process can write while its transaction is open.
struct Unfenced<'a>(&'a SqliteEngine);

fn engine(store: &EventStore) -> &SqliteEngine {
    let engine: &dyn StorageEngine = store.engine();
    let engine: &dyn Any = engine;
    engine.downcast_ref().expect("BUG: the store was opened on SQLite")
}

#[async_trait]
impl Transactor for Unfenced<'_> {
    type Transaction = SqliteTransaction;

    async fn begin(
        &self,
        most_idle: Option<std::time::Duration>,
    ) -> evercore::Result<Self::Transaction> {
        self.0.begin(most_idle).await
    }

    fn first_id(&self, transaction: &Self::Transaction) -> Option<AggregateId> {
        self.0.first_id(transaction)
    }

    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        self.0.has_failed(transaction, error).await
    }

    async fn finish(
        &self,
        mut transaction: Self::Transaction,
        mut commit: Commit,
    ) -> evercore::Result<Committed> {
        for completion in &mut commit.completes {
            let Completion::Settlement(settlement) = completion else { continue };
            let stands = sqlx::query(STANDS)
                .bind(settlement.lease.subscription.as_str())
                .bind(i64::from(settlement.lease.partition))
                .fetch_one(&mut *transaction)
                .await
                .map_err(|error| evercore::Error::storage("look at a lease", error))?;
            settlement.lease.token = stands.get(0);
            if let Some(step) = &mut settlement.cursor {
                step.from = evercore::Position::new(stands.get(1))?;
            }
        }
        self.0.finish(transaction, commit).await
    }
}
