//! A database for the suites that every engine runs.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_conformance::{Durability, Harness, SqlHarness, SqlTransaction};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

/// The place of a database.
#[async_trait]
pub(crate) trait Place: Debug + Send + Sync + 'static {
    const DURABILITY: Durability;

    async fn open(&self) -> Result<Arc<SqliteEngine>>;
}

/// A file in a separate directory.
#[derive(Debug)]
pub(crate) struct File {
    folder: TempDir,
    options: SqliteOptions,
}

impl File {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }
}

#[async_trait]
impl Place for File {
    const DURABILITY: Durability = Durability::Disk;

    async fn open(&self) -> Result<Arc<SqliteEngine>> {
        Ok(Arc::new(SqliteEngine::open(self.path(), self.options.clone()).await?))
    }
}

#[derive(Debug)]
pub(crate) struct Database<P>(pub(crate) P);

impl Database<File> {
    pub(crate) fn in_file(options: SqliteOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self(File { folder, options })
    }
}

#[async_trait]
impl<P: Place> Harness for Database<P> {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(self.0.open().await?)
    }

    fn durability(&self) -> Durability {
        P::DURABILITY
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl<P: Place> SqlHarness for Database<P> {
    type Engine = SqliteEngine;

    const HOLDS_WRITERS_BACK: bool = true;

    async fn open(&self) -> Result<Arc<SqliteEngine>> {
        self.0.open().await
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

    async fn break_off(&self, transaction: &mut SqlTransaction<Self>) -> BoxError {
        let handle = transaction.lock_handle().await;
        handle.expect("it is open").set_progress_handler(1, || false);
        let interrupted = self.execute(transaction, "INSERT INTO effects VALUES (0, 0)").await;
        interrupted.expect_err("it was interrupted")
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}
