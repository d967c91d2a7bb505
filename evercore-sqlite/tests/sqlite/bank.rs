//! A store and a table of the user, in one database.

use std::time::Duration;

use evercore::{Error, EventStore, RetryPolicy};
use evercore_sqlite::{SqliteContext, SqliteEngine, SqliteOptions};
use tempfile::TempDir;

use crate::account::{Account, Deposited, file};

#[derive(Debug)]
pub(crate) enum BankError {
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

#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) store: EventStore,
    /// `None` for a database in memory.
    pub(crate) file: Option<(TempDir, std::path::PathBuf)>,
}

/// Long enough that no test waits for all of it.
const LONG: Duration = Duration::from_secs(3600);

impl Bank {
    /// Returns a bank in a file and one in memory, because both must behave the same.
    pub(crate) async fn each() -> [Self; 2] {
        Self::each_with(SqliteOptions::default().busy_timeout(LONG)).await
    }

    /// Returns both banks with a short busy timeout.
    pub(crate) async fn each_impatient() -> [Self; 2] {
        Self::each_with(SqliteOptions::default().busy_timeout(Duration::from_millis(50))).await
    }

    async fn each_with(options: SqliteOptions) -> [Self; 2] {
        let (folder, path) = file();
        let in_file = SqliteEngine::open(&path, options.clone()).await.expect("it opens");
        let in_memory = SqliteEngine::in_memory(options).await.expect("it opens");
        [Self::new(in_file, Some((folder, path))).await, Self::new(in_memory, None).await]
    }

    async fn new(engine: SqliteEngine, file: Option<(TempDir, std::path::PathBuf)>) -> Self {
        let retry = RetryPolicy::default().attempts(50);
        let store = EventStore::builder().retry(retry).open(engine).await.expect("it migrates");
        let table = "CREATE TABLE balances (account INTEGER PRIMARY KEY, amount INTEGER NOT NULL)";
        execute(&store, table).await.expect("it is new");
        Self { store, file }
    }

    /// Returns the balance in the table and the balance by the events.
    pub(crate) async fn balances(&self, key: &str) -> (Option<i64>, Option<i64>) {
        let account = self
            .store
            .with_readonly_context(async |ctx| ctx.find_by_key::<Account>(key).await)
            .await
            .expect("it can be read");
        let id = account.as_ref().map_or(0, |account| account.id().get());
        let row: Result<_, BankError> = self
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let row = sqlx::query_scalar("SELECT amount FROM balances WHERE account = ?");
                Ok(row.bind(id).fetch_optional(&mut **ctx.transaction()).await?)
            })
            .await;
        (row.expect("it can be read"), account.map(|account| account.state().balance))
    }

    /// Returns the number of rows in the table.
    pub(crate) async fn rows(&self) -> i64 {
        let rows: Result<_, BankError> = self
            .store
            .with_transaction(async |ctx: &mut SqliteContext| {
                let count = sqlx::query_scalar("SELECT COUNT(*) FROM balances");
                Ok(count.fetch_one(&mut **ctx.transaction()).await?)
            })
            .await;
        rows.expect("it can be read")
    }
}

/// Makes a deposit, and updates the balance in the table.
pub(crate) async fn deposit(store: &EventStore, key: &str, amount: i64) -> Result<(), BankError> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            let mut account = ctx.load_or_create::<Account>(key).await?;
            ctx.apply(&mut account, Deposited { amount })?;
            upsert(ctx, account.id().get(), account.state().balance).await?;
            if account.state().balance < 0 { Err(BankError::Refused) } else { Ok(()) }
        })
        .await
}

/// Writes a row of the table.
pub(crate) async fn upsert(
    ctx: &mut SqliteContext,
    account: i64,
    amount: i64,
) -> Result<(), sqlx::Error> {
    let upsert = "INSERT INTO balances VALUES (?, ?)
                  ON CONFLICT (account) DO UPDATE SET amount = excluded.amount";
    let upsert = sqlx::query(upsert).bind(account).bind(amount);
    upsert.execute(&mut **ctx.transaction()).await.map(drop)
}

/// Executes the user's own SQL in a separate transaction.
pub(crate) async fn execute(store: &EventStore, sql: &'static str) -> Result<(), BankError> {
    store
        .with_transaction(async |ctx: &mut SqliteContext| {
            sqlx::raw_sql(sql).execute(&mut **ctx.transaction()).await?;
            Ok(())
        })
        .await
}
