//! The suite that every engine runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use evercore_testing::{Durability, Harness, SqlHarness, SqlTransaction};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A schema of its own.
#[derive(Debug)]
struct Schema {
    url: String,
    name: String,
}

impl Schema {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("case_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        Self { url, name }
    }
}

#[async_trait]
impl Harness for Schema {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        let options: PostgresOptions = self.url.parse()?;
        let options = options.schema(&self.name)?.readers(6);
        Ok(Arc::new(PostgresEngine::open(options).await?))
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        let failed = |error| evercore::Error::storage("drop a schema", error);
        let mut connection = PgConnection::connect(&self.url).await.map_err(failed)?;
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

#[async_trait]
impl SqlHarness for Schema {
    type Engine = PostgresEngine;

    const HOLDS_WRITERS_BACK: bool = false;

    async fn open(&self) -> Result<Arc<PostgresEngine>> {
        let options: PostgresOptions = self.url.parse()?;
        Ok(Arc::new(PostgresEngine::open(options.schema(&self.name)?.readers(6)).await?))
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

    async fn clean_up(&self) -> Result<()> {
        Harness::clean_up(self).await
    }
}

evercore_testing::conformance!(Schema::new());

mod transactional {
    use super::Schema;

    evercore_testing::transactional_conformance!(Schema::new());
}

mod machine {
    use super::Schema;

    evercore_testing::state_machine!(Schema::new());
}
