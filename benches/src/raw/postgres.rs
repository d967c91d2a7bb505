//! sqlx on PostgreSQL.

mod jobs;
mod same_rows;
mod serializable;

use async_trait::async_trait;
use chrono::Utc;
use sqlx::postgres::{PgPoolOptions, PgRow};
use sqlx::{Connection, PgConnection, PgPool, Row, raw_sql};
use tokio::sync::Mutex;

use super::{Landed, Loaded, NewRow, POOL, Page, RawLog};
use crate::domain::MoneyDeposited;

pub(crate) use jobs::{Job, Jobs};
pub(crate) use same_rows::{Aggregate, SameRows};
pub(crate) use serializable::Serializable;

const TABLES: &str = include_str!("postgres/tables.sql");
const INSERT: &str = include_str!("postgres/insert.sql");
const INSERT_MANY: &str = include_str!("postgres/insert_many.sql");
const LOAD: &str = include_str!("postgres/load.sql");
const PAGE: &str = include_str!("postgres/page.sql");

pub(crate) struct PostgresLog {
    alone: Mutex<PgConnection>,
    pool: PgPool,
}

impl PostgresLog {
    pub(crate) async fn create(url: &str) -> anyhow::Result<Self> {
        let mut alone = PgConnection::connect(url).await?;
        raw_sql(TABLES).execute(&mut alone).await?;
        let pool = PgPoolOptions::new().max_connections(POOL).connect(url).await?;
        Ok(Self { alone: Mutex::new(alone), pool })
    }
}

#[async_trait]
impl RawLog for PostgresLog {
    async fn insert_alone(&self, event: &NewRow) -> anyhow::Result<()> {
        let mut connection = self.alone.lock().await;
        insert(event).execute(&mut *connection).await?;
        Ok(())
    }

    async fn insert_many_alone(&self, events: &[NewRow]) -> anyhow::Result<()> {
        let mut connection = self.alone.lock().await;
        let aggregates: Vec<i64> = events.iter().map(|event| event.aggregate).collect();
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_slice()).collect();
        sqlx::query(INSERT_MANY)
            .bind(aggregates)
            .bind(sequences)
            .bind(payloads)
            .bind(Utc::now())
            .execute(&mut *connection)
            .await?;
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
            sqlx::query("SELECT sequence, state FROM raw_snapshots WHERE aggregate_id = $1")
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
        sqlx::query(
            "INSERT INTO raw_snapshots (aggregate_id, sequence, state) VALUES ($1, $2, $3)",
        )
        .bind(aggregate)
        .bind(loaded.sequence)
        .bind(serde_json::to_vec(&loaded.account)?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn read_page_alone(&self, after: i64, limit: i64) -> anyhow::Result<Page> {
        let mut connection = self.alone.lock().await;
        let rows = sqlx::query(PAGE).bind(after).bind(limit).fetch_all(&mut *connection).await?;
        let mut page = Page::from(after);
        for row in rows {
            let event: MoneyDeposited = serde_json::from_slice(row.try_get(4)?)?;
            page.take(row.try_get(0)?, &event);
        }
        Ok(page)
    }

    async fn load(&self, aggregate: i64) -> anyhow::Result<Loaded> {
        let rows = sqlx::query(LOAD).bind(aggregate).bind(0_i64).fetch_all(&self.pool).await?;
        replay(Loaded::default(), &rows)
    }

    async fn insert(&self, event: &NewRow) -> anyhow::Result<Landed> {
        Landed::from_insert(insert(event).execute(&self.pool).await)
    }
}

fn insert(event: &NewRow) -> sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(INSERT)
        .bind(event.aggregate)
        .bind(event.sequence)
        .bind(&event.payload)
        .bind(Utc::now())
}

fn replay(mut loaded: Loaded, rows: &[PgRow]) -> anyhow::Result<Loaded> {
    for row in rows {
        loaded.replay(row.try_get(0)?, row.try_get(2)?)?;
    }
    Ok(loaded)
}
