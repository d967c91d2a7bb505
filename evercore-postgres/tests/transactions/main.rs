//! Events and the user's own rows are committed together or not at all.

mod boundaries;
mod decisions;
mod ended;
mod isolation;
mod projections;

use evercore::error::ConflictReason;
use evercore::{Aggregate, Apply, Error, EventMeta, EventStore, RetryPolicy, event};
use evercore_memory::MemoryEngine;
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

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

#[derive(Debug)]
enum BankError {
    Refused,
    Sql(sqlx::Error),
    Store(Error),
}

impl From<Error> for BankError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for BankError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// A store in its own schema, which also contains a table of the user.
struct Bank {
    store: EventStore,
    sql: PgConnection,
    schema: &'static str,
}

impl Bank {
    async fn new(schema: &'static str) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut sql = PgConnection::connect(&url).await.expect("the server answers");
        let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut sql).await.expect("it is ours");
        let options: PostgresOptions = url.parse().expect("a URL");
        let options = options.schema(schema).expect("a schema name");
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let store = EventStore::builder()
            .retry(RetryPolicy::default().attempts(50))
            .open(engine)
            .await
            .expect("it migrates");
        let table =
            format!("CREATE TABLE {schema}.balances (account bigint PRIMARY KEY, amount bigint)");
        sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut sql).await.expect("it is new");
        Self { store, sql, schema }
    }

    /// Makes a deposit, and updates the balance in the table.
    async fn deposit(&self, key: &str, amount: i64) -> Result<(), BankError> {
        deposit(&self.store, &self.upsert(), key, amount).await
    }

    fn upsert(&self) -> String {
        format!(
            "INSERT INTO {}.balances VALUES ($1, $2)
             ON CONFLICT (account) DO UPDATE SET amount = excluded.amount",
            self.schema
        )
    }

    /// Returns the balance in the table and the balance by the events.
    async fn balances(&mut self, key: &str) -> (Option<i64>, Option<i64>) {
        let select = format!(
            "SELECT b.amount FROM {0}.balances b JOIN {0}.aggregates a ON a.id = b.account
             WHERE a.natural_key = $1",
            self.schema
        );
        let row = sqlx::query_scalar(AssertSqlSafe(select))
            .bind(key)
            .fetch_optional(&mut self.sql)
            .await
            .expect("the table is there");
        let account = self
            .store
            .with_readonly_context(async |ctx| ctx.find_by_key::<Account>(key).await)
            .await
            .expect("it can be read");
        (row, account.map(|account| account.state().balance))
    }
}

async fn deposit(
    store: &EventStore,
    upsert: &str,
    key: &str,
    amount: i64,
) -> Result<(), BankError> {
    store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load_or_create::<Account>(key).await?;
            ctx.apply(&mut account, Deposited { amount })?;
            sqlx::query(AssertSqlSafe(upsert))
                .bind(account.id().get())
                .bind(account.state().balance)
                .execute(&mut **ctx.transaction())
                .await?;
            if account.state().balance < 0 { Err(BankError::Refused) } else { Ok(()) }
        })
        .await
}

#[tokio::test]
async fn rows_and_events_land_together() {
    let mut bank = Bank::new("tx_together").await;
    bank.deposit("ada", 7).await.expect("nothing speaks against it");
    bank.deposit("ada", 5).await.expect("nothing speaks against it");
    assert_eq!(bank.balances("ada").await, (Some(12), Some(12)));
}

#[tokio::test]
async fn a_closure_that_fails_leaves_neither() {
    let mut bank = Bank::new("tx_closure").await;
    bank.deposit("ada", 7).await.expect("nothing speaks against it");
    let refused = bank.deposit("ada", -8).await;
    assert!(matches!(refused, Err(BankError::Refused)), "{refused:?}");
    let new = bank.deposit("grace", -1).await;
    assert!(matches!(new, Err(BankError::Refused)), "{new:?}");
    assert_eq!(bank.balances("ada").await, (Some(7), Some(7)));
    assert_eq!(bank.balances("grace").await, (None, None));
}

#[tokio::test]
async fn a_statement_that_fails_leaves_neither() {
    let mut bank = Bank::new("tx_statement").await;
    let failed: Result<(), BankError> = bank
        .store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            sqlx::query("SELECT 1 / 0").execute(&mut **ctx.transaction()).await?;
            Ok(())
        })
        .await;
    let Err(BankError::Sql(sqlx::Error::Database(error))) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(error.code().as_deref(), Some("22012"), "division by zero");
    assert_eq!(bank.balances("ada").await, (None, None));
}

#[tokio::test]
async fn a_conflict_undoes_the_rows_as_well() {
    let mut bank = Bank::new("tx_conflict").await;
    bank.deposit("ada", 7).await.expect("nothing speaks against it");
    let single = EventStore::builder()
        .retry(RetryPolicy::none())
        .open(PostgresEngine::open(options("tx_conflict")).await.expect("the server answers"))
        .await
        .expect("it opens");
    let upsert = bank.upsert();
    let conflict: Result<(), BankError> = single
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load_by_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 100 })?;
            // Not `deposit`, which would wait for this transaction's row in the table.
            bank.store
                .with_context(async |ctx| {
                    let mut account = ctx.load_by_key::<Account>("ada").await?;
                    ctx.apply(&mut account, Deposited { amount: 1 })
                })
                .await?;
            sqlx::query(AssertSqlSafe(upsert.as_str()))
                .bind(account.id().get())
                .bind(107_i64)
                .execute(&mut **ctx.transaction())
                .await?;
            Ok(())
        })
        .await;
    let is_conflict = matches!(
        &conflict,
        Err(BankError::Store(Error::Conflict { reason: ConflictReason::Sequence { .. }, .. }))
    );
    assert!(is_conflict, "{conflict:?}");
    assert_eq!(bank.balances("ada").await, (Some(7), Some(8)));
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_transactions_lose_nothing() {
    // More tasks than connections: none may wait for itself.
    const TASKS: i64 = 20;
    const DEPOSITS: i64 = 5;
    let mut bank = Bank::new("tx_race").await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, upsert) = (bank.store.clone(), bank.upsert());
            tokio::spawn(async move {
                for _ in 0..DEPOSITS {
                    deposit(&store, &upsert, "ada", 1).await?;
                }
                Ok::<_, BankError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("it is run again until it lands");
    }
    let all = Some(TASKS * DEPOSITS);
    assert_eq!(bank.balances("ada").await, (all, all));
}

#[tokio::test]
async fn a_store_on_an_engine_without_transactions_says_so() {
    let store = EventStore::builder().open(MemoryEngine::new()).await.expect("it opens");
    let refused: Result<(), Error> =
        store.with_transaction(async |_: &mut PostgresContext| Ok(())).await;
    let is_refused = matches!(refused, Err(Error::Unsupported { engine: "memory", .. }));
    assert!(is_refused, "{refused:?}");
}

fn options(schema: &str) -> PostgresOptions {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    url.parse::<PostgresOptions>().and_then(|options| options.schema(schema)).expect("a URL")
}
