//! Checks that `verify` finds changes made to the file behind the store's back.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_conformance::corruption::{Dialect, SpoiltDatabase};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

use crate::raw::connect;

/// Replaces the table, because the constraints of an existing table cannot be removed.
const LET_EVENTS_REPEAT: &str = "
    PRAGMA legacy_alter_table = ON;
    CREATE TABLE spoilt AS SELECT * FROM events;
    DROP TABLE events;
    ALTER TABLE spoilt RENAME TO events;
    INSERT INTO sqlite_sequence (name, seq) SELECT 'events', max(position) FROM events;
";

#[derive(Debug)]
struct File(TempDir);

impl File {
    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("log.db")
    }
}

#[async_trait]
impl SpoiltDatabase for File {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(Arc::new(SqliteEngine::open(self.path(), SqliteOptions::default()).await?))
    }

    async fn execute(&self, sql: &str) -> Result<(), BoxError> {
        let mut connection = connect(&self.path()).await;
        sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut connection).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            bytes: |text| format!("CAST('{text}' AS BLOB)"),
            time: "1",
            let_keys_repeat: "DROP INDEX aggregates_by_natural_key",
            let_events_repeat: LET_EVENTS_REPEAT,
            forget_ids: "UPDATE aggregate_ids SET next_id = 1",
        }
    }
}

evercore_conformance::corruption_cases!(File(tempfile::tempdir().expect("a temporary folder")));
