//! Drops the futures of a store on SQLite at each of their await points.

#[path = "harness/database.rs"]
mod harness;

use std::time::Duration;

use async_trait::async_trait;
use evercore::BoxError;
use evercore_conformance::{CancellationHarness, cancellation};
use evercore_sqlite::SqliteOptions;
use harness::{Database, File};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

/// One connection that reads, and one view.
fn file() -> Database<File> {
    Database::in_file(SqliteOptions::default().readers(1))
}

#[async_trait]
impl CancellationHarness for Database<File> {
    fn url(&self) -> String {
        format!("sqlite://{}?readers=1", self.0.path().display())
    }

    /// Detects a writer if another one cannot begin, and a reader if the write-ahead log cannot be truncated.
    async fn held(&self) -> Result<Vec<String>, BoxError> {
        let options = SqliteConnectOptions::new().filename(self.0.path());
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

cancellation!(file());

mod transactional {
    use super::file;

    evercore_conformance::transactional_cancellation!(file());
}
