//! sqlx on the tables of a store: writes and reads everything that evercore keeps of commits and events, without
//! deciding whether a commit is allowed or how far a reader may read.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::super::{Loaded, NewRow, Page};
use crate::domain::MoneyDeposited;

const INSERT: &str = include_str!("same_insert.sql");
const LOAD: &str = include_str!("same_load.sql");
const PAGE: &str = include_str!("same_page.sql");

/// The number of the only aggregate type.
const ACCOUNT: i32 = 1;

pub(crate) struct SameRows(Mutex<PgConnection>);

/// Whether the aggregate of a commit already has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    New,
    Known,
}

/// An event with all its columns.
struct Event {
    position: i64,
    sequence: i64,
    deposited: MoneyDeposited,
    #[expect(dead_code, reason = "read, as evercore reads it")]
    rest: Rest,
}

#[expect(dead_code, reason = "read, as evercore reads it")]
struct Rest {
    aggregate: i64,
    event_type: i32,
    version: i32,
    codec: i16,
    event_time: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    labels: [Option<String>; 4],
}

impl SameRows {
    /// Connects to the tables of an existing store.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        Ok(Self(Mutex::new(PgConnection::connect(url).await?)))
    }

    /// Inserts all events in one statement.
    pub(crate) async fn insert(
        &self,
        aggregate: Aggregate,
        events: &[NewRow],
    ) -> anyhow::Result<()> {
        let mut connection = self.0.lock().await;
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_slice()).collect();
        sqlx::query(INSERT)
            .bind(Uuid::now_v7())
            .bind(events.first().map(|event| event.aggregate))
            .bind((aggregate == Aggregate::New).then_some(ACCOUNT))
            .bind(sequences)
            .bind(payloads)
            .bind(Utc::now())
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    pub(crate) async fn load(&self, aggregate: i64) -> anyhow::Result<Loaded> {
        let mut connection = self.0.lock().await;
        let rows = sqlx::query(LOAD).bind(aggregate).fetch_all(&mut *connection).await?;
        let mut loaded = Loaded::default();
        for row in &rows {
            let event = Event::read(row)?;
            loaded.account.replay(&event.deposited);
            loaded.sequence = event.sequence;
        }
        Ok(loaded)
    }

    pub(crate) async fn read_page(&self, after: i64, limit: i64) -> anyhow::Result<Page> {
        let mut connection = self.0.lock().await;
        let rows = sqlx::query(PAGE).bind(after).bind(limit).fetch_all(&mut *connection).await?;
        let mut page = Page::from(after);
        for row in &rows {
            let event = Event::read(row)?;
            page.take(event.position, &event.deposited);
        }
        Ok(page)
    }
}

impl Event {
    fn read(row: &PgRow) -> anyhow::Result<Self> {
        let labels = [row.try_get(9)?, row.try_get(10)?, row.try_get(11)?, row.try_get(12)?];
        Ok(Self {
            position: row.try_get(0)?,
            sequence: row.try_get(2)?,
            deposited: serde_json::from_slice(row.try_get(8)?)?,
            rest: Rest {
                aggregate: row.try_get(1)?,
                event_time: row.try_get(3)?,
                recorded_at: row.try_get(4)?,
                event_type: row.try_get(5)?,
                version: row.try_get(6)?,
                codec: row.try_get(7)?,
                labels,
            },
        })
    }
}
