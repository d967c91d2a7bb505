//! A database in a file, for the suites that every engine runs.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use evercore_testing::{Durability, Harness, SqlHarness, SqlTransaction};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

/// A file in a folder of its own.
#[derive(Debug)]
pub(crate) struct File {
    folder: TempDir,
    options: SqliteOptions,
}

impl File {
    pub(crate) fn new(options: SqliteOptions) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), options }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    async fn open(&self) -> Result<Arc<SqliteEngine>> {
        Ok(Arc::new(SqliteEngine::open(self.path(), self.options.clone()).await?))
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
