//! Checks that `verify` finds changes made to the tables behind the store's back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_conformance::corruption::{Dialect, SpoiltDatabase};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const LET_EVENTS_REPEAT: &str = "
    ALTER TABLE events DROP CONSTRAINT events_pkey;
    ALTER TABLE events DROP CONSTRAINT events_aggregate_id_sequence_key;
";

/// A separate schema, named by a number.
#[derive(Debug)]
struct Schema(u32);

impl Schema {
    fn new() -> Self {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        Self(SCHEMAS.fetch_add(1, Ordering::Relaxed))
    }

    fn name(&self) -> String {
        format!("corruption_{}", self.0)
    }
}

fn url() -> String {
    throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"))
}

async fn execute(sql: &str) -> Result<(), BoxError> {
    let mut connection = PgConnection::connect(&url()).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

#[async_trait]
impl SpoiltDatabase for Schema {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        let dropped = execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name())).await;
        dropped.expect("it is ours");
        let options: PostgresOptions = url().parse()?;
        Ok(Arc::new(PostgresEngine::open(options.schema(&self.name())?).await?))
    }

    async fn execute(&self, sql: &str) -> Result<(), BoxError> {
        execute(&format!("SET search_path TO {}; {sql}", self.name())).await
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            bytes: |text| format!("convert_to('{text}', 'UTF8')"),
            time: "now()",
            let_keys_repeat: "DROP INDEX aggregates_by_key",
            let_events_repeat: LET_EVENTS_REPEAT,
            forget_ids: "UPDATE aggregate_ids SET last = 0",
        }
    }
}

evercore_conformance::corruption_cases!(Schema::new());
