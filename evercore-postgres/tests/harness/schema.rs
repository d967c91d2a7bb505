//! A schema on a server, for the suites that every engine runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_conformance::{Durability, Harness, SqlHarness, SqlTransaction};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// A separate schema, whose sessions carry its name.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) server: String,
    pub(crate) name: String,
    options: &'static str,
    inspector: OnceCell<Mutex<PgConnection>>,
}

impl Schema {
    /// Creates a schema with additional URL options.
    pub(crate) fn new(kind: &str, options: &'static str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{kind}_{}_{number}", std::process::id());
        let server = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        Self { server, name, options, inspector: OnceCell::new() }
    }

    pub(crate) fn url(&self) -> String {
        let Self { server, name, options, .. } = self;
        let separator = if server.contains('?') { '&' } else { '?' };
        format!("{server}{separator}schema={name}&application_name={name}&{options}")
    }

    /// Returns a connection that does not belong to the engine.
    pub(crate) async fn inspector(&self) -> Result<MutexGuard<'_, PgConnection>, sqlx::Error> {
        let connect = async || PgConnection::connect(&self.server).await.map(Mutex::new);
        Ok(self.inspector.get_or_try_init(connect).await?.lock().await)
    }

    async fn open(&self) -> Result<Arc<PostgresEngine>> {
        let options: PostgresOptions = self.url().parse()?;
        Ok(Arc::new(PostgresEngine::open(options).await?))
    }
}

#[async_trait]
impl Harness for Schema {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(self.open().await?)
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        let failed = |error| evercore::Error::storage("drop a schema", error);
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        let mut connection = self.inspector().await.map_err(failed)?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.map_err(failed)?;
        Ok(())
    }
}

#[async_trait]
impl SqlHarness for Schema {
    type Engine = PostgresEngine;

    const HOLDS_WRITERS_BACK: bool = false;

    async fn open(&self) -> Result<Arc<PostgresEngine>> {
        self.open().await
    }

    fn table(&self) -> String {
        format!("{}.effects", self.name)
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
        let ended = self.execute(transaction, "SELECT pg_terminate_backend(pg_backend_pid())");
        ended.await.expect_err("the session was ended")
    }

    async fn clean_up(&self) -> Result<()> {
        Harness::clean_up(self).await
    }
}
