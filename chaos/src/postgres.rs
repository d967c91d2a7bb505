//! The user's code and tables on PostgreSQL.

use std::any::Any;
use std::time::Duration;

use anyhow::{Context, ensure};
use evercore::engine::StorageEngine;
use evercore::subscription::SubscriptionBuilder;
use evercore::{AggregateId, Batch, BoxError, EventStore};
use evercore_postgres::{PostgresContext, PostgresEngine};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::domain::{Entered, Entry, Ledger};
use crate::verdict::Written;
use crate::violation::MovedBack;
use crate::worker::linger;
use crate::writer::{Failure, Intent};

const SET_UP: &str = include_str!("postgres/set_up.sql");
const HANDLE: &str = include_str!("postgres/handle.sql");

/// The checks in `evercore.settle`.
const CHECKS: [&str; 2] =
    ["AND p.token = settled_token", "AND p.cursor = coalesce(moves_from, p.cursor)"];

/// Creates the tables of the handlers, and a trigger that records each cursor that moves back.
pub(crate) async fn set_up(url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(SET_UP).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Replaces the function that settles with one without its checks.
pub(crate) async fn remove_fence(url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let mut definition: String =
        sqlx::query_scalar("SELECT pg_get_functiondef('evercore.settle'::regproc)")
            .fetch_one(&mut connection)
            .await?;
    for check in CHECKS {
        ensure!(definition.contains(check), "`evercore.settle` has no `{check}` to take out");
        definition = definition.replace(check, "");
    }
    sqlx::raw_sql(AssertSqlSafe(definition))
        .execute(&mut connection)
        .await
        .context("cannot replace `evercore.settle`")?;
    Ok(connection.close().await?)
}

/// Waits until no transaction holds the frontier back.
pub(crate) async fn until_no_client_writes(store: &EventStore) -> anyhow::Result<()> {
    let engine: &dyn StorageEngine = store.engine();
    let engine: &dyn Any = engine;
    let engine: &PostgresEngine =
        engine.downcast_ref().context("BUG: the store was opened on PostgreSQL")?;
    while !engine.frontier_holders().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Reads the handlers' effects, in the order of writing, and the cursors that have moved back.
pub(crate) async fn read(url: &str) -> anyhow::Result<Written> {
    let mut connection = PgConnection::connect(url).await?;
    let handled =
        sqlx::query("SELECT position, aggregate_id, sequence FROM chaos.handled ORDER BY id")
            .fetch_all(&mut connection)
            .await?;
    let moved_back = sqlx::query("SELECT subscription, number, was, became FROM chaos.moved_back")
        .fetch_all(&mut connection)
        .await?;
    let beside = sqlx::query_scalar("SELECT attempt FROM chaos.written_beside")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    let handled = handled.iter().map(|row| Ok(Entry::new(row.get(0), row.get(1), row.get(2))?));
    let moved_back = moved_back.iter().map(|row| MovedBack {
        subscription: row.get(0),
        partition: row.get::<i32, _>(1).into(),
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
pub(crate) async fn run(subscription: SubscriptionBuilder, worker: &str) -> evercore::Result<()> {
    let handler = async |ctx: &mut PostgresContext, batch: Batch| {
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
    subscription.run_in_transaction(handler).await
}

/// Writes an entry together with the user's own row.
pub(crate) async fn transact(
    store: &EventStore,
    ledger: AggregateId,
    attempt: i64,
    intent: Intent,
) -> Result<(), Failure> {
    store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut ledger = ctx.load::<Ledger>(ledger).await?;
            ctx.apply(&mut ledger, Entered { attempt })?;
            sqlx::query("INSERT INTO chaos.written_beside (attempt) VALUES ($1)")
                .bind(attempt)
                .execute(&mut **ctx.transaction())
                .await?;
            intent.outcome()
        })
        .await
}
