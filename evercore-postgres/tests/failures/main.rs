//! Database failures and the errors for the caller: retry, ask for the outcome, or fix the cause.

mod connections;
mod deadlocks;
mod idle;
mod opening;
mod secrets;
mod terminations;
mod timeouts;

use std::time::Duration;

use evercore::{
    Aggregate, AggregateId, Appended, Apply, Error, EventMeta, EventStore, Expected, Result,
    Stream, event,
};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

/// A store in its own schema.
struct Bank {
    schema: &'static str,
    store: EventStore,
}

impl Bank {
    async fn new(schema: &'static str) -> Self {
        Self::with(schema, |options| options).await
    }

    async fn with(
        schema: &'static str,
        set: impl FnOnce(PostgresOptions) -> PostgresOptions,
    ) -> Self {
        execute(&mut sql().await, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        // Migrates with the default options, because opening is not under test.
        let options = || url().parse::<PostgresOptions>()?.schema(schema);
        let engine = PostgresEngine::open(options().expect("a URL")).await.expect("it answers");
        EventStore::builder().open(engine).await.expect("it migrates");

        let engine = PostgresEngine::open(set(options().expect("a URL"))).await;
        let store = EventStore::builder().open(engine.expect("it answers")).await;
        let store = store.expect("it is migrated");
        store.warmup().await.expect("it answers");
        Self { schema, store }
    }

    /// Creates an account with one deposit of 1.
    async fn account(&self) -> AggregateId {
        let create = self.store.with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            Ok::<_, Error>(account.id())
        });
        create.await.expect("nothing speaks against it")
    }

    async fn deposit(&self, account: AggregateId) -> Result<Appended> {
        let events = [Deposited { amount: 1 }];
        self.store.append::<Account, _>(Stream::Id(account), Expected::Any, events).await
    }

    async fn balance(&self, account: AggregateId) -> Result<i64> {
        let load = self.store.with_context(async |ctx| ctx.load::<Account>(account).await);
        Ok(load.await?.state().balance)
    }

    /// Opens another session that locks the account's row.
    async fn lock(&self, account: AggregateId) -> PgConnection {
        let mut other = sql().await;
        execute(&mut other, &format!("BEGIN; {}", self.lock_statement(account))).await;
        other
    }

    fn lock_statement(&self, account: AggregateId) -> String {
        format!("SELECT FROM {}.aggregates WHERE id = {account} FOR UPDATE", self.schema)
    }

    /// Returns the id of the server process that waits for a lock in a statement containing these words.
    async fn waiting(&self, words: &str) -> i32 {
        let mut sql = sql().await;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let pid = sqlx::query_scalar(
                "SELECT pid FROM pg_stat_activity
                 WHERE wait_event_type = 'Lock' AND position($1 IN query) > 0",
            )
            .bind(format!("{}.{words}", self.schema))
            .fetch_optional(&mut sql)
            .await;
            if let Some(pid) = pid.expect("anyone may look") {
                return pid;
            }
            assert!(Instant::now() < deadline, "no session waits for a lock in `{words}`");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn url() -> String {
    throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"))
}

async fn sql() -> PgConnection {
    PgConnection::connect(&url()).await.expect("the server answers")
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("it is right");
}

async fn terminate(pid: i32) {
    let mut sql = sql().await;
    let terminate = sqlx::query_scalar("SELECT pg_terminate_backend($1)").bind(pid);
    let done: bool = terminate.fetch_one(&mut sql).await.expect("it is ours");
    assert!(done, "there is such a process");
}
