//! sqlx on the tables of a store: decisions on events with some tags, as serializable transactions.
//!
//! A decision is read in one statement. A second one checks that the same events are there and stores the new one with
//! everything that evercore stores. The server refuses it if another transaction has changed what it has read.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;
use evercore::boundary::{Facts, Tag, Tags};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::super::{Landed, POOL};

const READ: &str = include_str!("read_tagged.sql");
const INSERT: &str = include_str!("insert_unchanged.sql");
const READ_TYPES: &str = "SELECT a.id, e.id FROM evercore.aggregate_types a
    JOIN evercore.event_types e ON e.aggregate_type_id = a.id WHERE a.name = $1 AND e.name = $2";
const LAST_ID: &str = "SELECT last FROM evercore.aggregate_ids";

const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK: &str = "40P01";

/// The tables of a store, for decisions by hand.
pub(crate) struct Serializable {
    /// Reads without predicate locks: what is read is checked again when the event is stored.
    readers: PgPool,
    writers: PgPool,
    last_id: AtomicI64,
    aggregate_type: i32,
    event_type: i32,
}

impl Serializable {
    /// Connects to the tables of a store that knows the event, and that no other program writes to.
    pub(crate) async fn connect(url: &str, event: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        // Every statement finds its rows by an index. A plan for all values saves planning.
        let options = options.options([
            ("jit", "off"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        ]);
        let serializable =
            options.clone().options([("default_transaction_isolation", "serializable")]);
        let pool = || PgPoolOptions::new().max_connections(POOL).test_before_acquire(false);
        let readers = pool().connect_with(options).await?;
        let (aggregate_type, event_type) = sqlx::query_as(READ_TYPES)
            .bind(<Facts as evercore::Aggregate>::NAME)
            .bind(event)
            .fetch_one(&readers)
            .await?;
        let last: i64 = sqlx::query_scalar(LAST_ID).fetch_one(&readers).await?;
        Ok(Self {
            readers,
            writers: pool().connect_with(serializable).await?,
            last_id: AtomicI64::new(last),
            aggregate_type,
            event_type,
        })
    }

    /// Returns the payloads of the events that have each of the tags.
    pub(crate) async fn read(&self, tags: &[Tag]) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
        let numbers: Vec<_> = tags.iter().map(Tag::index).collect();
        let rows =
            sqlx::query(READ).bind(numbers).bind(self.event_type).fetch_all(&self.readers).await?;
        let mut found = vec![Vec::new(); tags.len()];
        for row in rows {
            let place: i64 = row.try_get(0)?;
            found[usize::try_from(place - 1)?].push(row.try_get(1)?);
        }
        Ok(found)
    }

    /// Stores an event with these tags if as many events have each of them as were seen.
    pub(crate) async fn insert(
        &self,
        tags: &[Tag],
        seen: &[i64],
        payload: &[u8],
    ) -> anyhow::Result<Landed> {
        let numbers: Vec<_> = tags.iter().map(Tag::index).collect();
        let texts = Tags::new(tags.iter().cloned())?;
        let stored = sqlx::query(INSERT)
            .bind(Uuid::now_v7())
            .bind(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
            .bind(self.aggregate_type)
            .bind(self.event_type)
            .bind(payload)
            .bind(Utc::now())
            .bind(texts.to_column())
            .bind(numbers)
            .bind(seen)
            .execute(&self.writers)
            .await;
        match stored {
            Ok(done) if done.rows_affected() == 1 => Ok(Landed::Yes),
            Ok(_) => Ok(Landed::Conflict),
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some(SERIALIZATION_FAILURE | DEADLOCK)) =>
            {
                Ok(Landed::Conflict)
            }
            Err(error) => Err(error.into()),
        }
    }
}
