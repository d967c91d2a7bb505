//! sqlx on SQLite: one connection that writes, because only one can, and a pool that reads.

use std::path::Path;

use async_trait::async_trait;
use chrono::Utc;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection, SqlitePool, raw_sql};
use tokio::sync::Mutex;

use super::{Landed, Loaded, NewRow, POOL, Page, RawLog};
use crate::domain::MoneyDeposited;

const TABLES: &str = include_str!("sqlite/tables.sql");
const INSERT: &str = include_str!("sqlite/insert.sql");
const INSERT_MANY: &str = include_str!("sqlite/insert_many.sql");
const LOAD: &str = include_str!("sqlite/load.sql");
const PAGE: &str = include_str!("sqlite/page.sql");
const JSON_PAGE: &str = include_str!("sqlite/json_page.sql");

/// A SQLite log. The pool only reads, because its connections would wait for each other when writing.
pub(crate) struct SqliteLog {
    alone: Mutex<SqliteConnection>,
    pool: SqlitePool,
}

impl SqliteLog {
    pub(crate) async fn create(file: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut alone = options.connect().await?;
        raw_sql(TABLES).execute(&mut alone).await?;
        let pool = SqlitePoolOptions::new().max_connections(POOL).connect_with(options).await?;
        Ok(Self { alone: Mutex::new(alone), pool })
    }

    /// Reads a page of the log as one value, so that the driver returns one row instead of many.
    pub(crate) async fn read_json_page_alone(
        &self,
        after: i64,
        limit: i64,
    ) -> anyhow::Result<Page> {
        let mut connection = self.alone.lock().await;
        let row =
            sqlx::query(JSON_PAGE).bind(after).bind(limit).fetch_one(&mut *connection).await?;
        let events: Vec<(i64, i64, i64, &str, MoneyDeposited, i64)> =
            serde_json::from_str(row.try_get(0)?)?;
        let mut page = Page::from(after);
        for (position, .., event, _recorded_at) in &events {
            page.take(*position, event);
        }
        Ok(page)
    }
}

#[async_trait]
impl RawLog for SqliteLog {
    async fn insert_alone(&self, event: &NewRow) -> anyhow::Result<()> {
        let mut connection = self.alone.lock().await;
        insert(event)?.execute(&mut *connection).await?;
        Ok(())
    }

    async fn insert_many_alone(&self, events: &[NewRow]) -> anyhow::Result<()> {
        const ROW: &str = "(?, ?, 'money-deposited', ?, ?)";
        let now = Utc::now().timestamp_micros();
        let mut connection = self.alone.lock().await;
        let sql = format!("{INSERT_MANY}{}", vec![ROW; events.len()].join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for event in events {
            query = query
                .bind(event.aggregate)
                .bind(event.sequence)
                .bind(std::str::from_utf8(&event.payload)?)
                .bind(now);
        }
        query.execute(&mut *connection).await?;
        Ok(())
    }

    async fn load_alone(&self, aggregate: i64) -> anyhow::Result<Loaded> {
        let mut connection = self.alone.lock().await;
        let rows =
            sqlx::query(LOAD).bind(aggregate).bind(0_i64).fetch_all(&mut *connection).await?;
        replay(Loaded::default(), &rows)
    }

    async fn load_snapshot_alone(&self, aggregate: i64) -> anyhow::Result<Loaded> {
        let mut connection = self.alone.lock().await;
        let snapshot =
            sqlx::query("SELECT sequence, state FROM raw_snapshots WHERE aggregate_id = ?")
                .bind(aggregate)
                .fetch_one(&mut *connection)
                .await?;
        let account = serde_json::from_slice(snapshot.try_get(1)?)?;
        let loaded = Loaded { account, sequence: snapshot.try_get(0)? };
        let rows = sqlx::query(LOAD)
            .bind(aggregate)
            .bind(loaded.sequence)
            .fetch_all(&mut *connection)
            .await?;
        replay(loaded, &rows)
    }

    async fn store_snapshot(&self, aggregate: i64, loaded: &Loaded) -> anyhow::Result<()> {
        let mut connection = self.alone.lock().await;
        sqlx::query("INSERT INTO raw_snapshots (aggregate_id, sequence, state) VALUES (?, ?, ?)")
            .bind(aggregate)
            .bind(loaded.sequence)
            .bind(serde_json::to_vec(&loaded.account)?)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    async fn read_page_alone(&self, after: i64, limit: i64) -> anyhow::Result<Page> {
        let mut connection = self.alone.lock().await;
        let rows = sqlx::query(PAGE).bind(after).bind(limit).fetch_all(&mut *connection).await?;
        let mut page = Page::from(after);
        for row in rows {
            let event: MoneyDeposited = serde_json::from_str(row.try_get(4)?)?;
            page.take(row.try_get(0)?, &event);
        }
        Ok(page)
    }

    async fn load(&self, aggregate: i64) -> anyhow::Result<Loaded> {
        let rows = sqlx::query(LOAD).bind(aggregate).bind(0_i64).fetch_all(&self.pool).await?;
        replay(Loaded::default(), &rows)
    }

    async fn insert(&self, event: &NewRow) -> anyhow::Result<Landed> {
        let mut connection = self.alone.lock().await;
        Landed::from_insert(insert(event)?.execute(&mut *connection).await)
    }
}

fn insert(event: &NewRow) -> anyhow::Result<sqlx::query::Query<'_, sqlx::Sqlite, SqliteArguments>> {
    Ok(sqlx::query(INSERT)
        .bind(event.aggregate)
        .bind(event.sequence)
        .bind(std::str::from_utf8(&event.payload)?)
        .bind(Utc::now().timestamp_micros()))
}

fn replay(mut loaded: Loaded, rows: &[SqliteRow]) -> anyhow::Result<Loaded> {
    for row in rows {
        let payload: &str = row.try_get(2)?;
        loaded.replay(row.try_get(0)?, payload.as_bytes())?;
    }
    Ok(loaded)
}
