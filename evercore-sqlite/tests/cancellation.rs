//! Futures of a store on SQLite, dropped at each of their await points.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use evercore_testing::{
    CancellationHarness, Durability, Harness, SqlHarness, SqlTransaction, cancellation,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tempfile::TempDir;

/// One connection that reads, one view.
#[derive(Debug)]
struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    async fn open(&self) -> Result<Arc<SqliteEngine>> {
        let options = SqliteOptions::default().readers(1);
        Ok(Arc::new(SqliteEngine::open(self.0.path().join("log.db"), options).await?))
    }
}

#[async_trait]
impl Harness for File {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(self.open().await?)
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl CancellationHarness for File {
    fn url(&self) -> String {
        format!("sqlite://{}?readers=1", self.0.path().join("log.db").display())
    }

    /// A writer is found when another cannot begin, and a reader when the write-ahead log cannot be cut off.
    async fn held(&self) -> Result<Vec<String>, BoxError> {
        let options = SqliteConnectOptions::new().filename(self.0.path().join("log.db"));
        let mut connection = options.busy_timeout(Duration::ZERO).connect().await?;
        let mut held = Vec::new();
        if let Err(error) =
            sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await
        {
            held.push(format!("the turn to write: {error}"));
        }
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        if sqlx::query(checkpoint).fetch_one(&mut connection).await?.try_get::<i64, _>(0)? != 0 {
            held.push("a snapshot of the database".to_owned());
        }
        connection.close().await?;
        Ok(held)
    }
}

#[async_trait]
impl SqlHarness for File {
    type Engine = SqliteEngine;

    const HOLDS_WRITERS_BACK: bool = true;

    async fn open(&self) -> Result<Arc<SqliteEngine>> {
        self.open().await
    }

    fn table(&self) -> String {
        "effects".to_owned()
    }

    async fn execute(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<(), BoxError> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn numbers(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<Vec<i64>, BoxError> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **transaction).await?)
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

cancellation!(File::new());

mod transactional {
    use super::File;

    evercore_testing::transactional_cancellation!(File::new());
}
