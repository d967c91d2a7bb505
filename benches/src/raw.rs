//! The same work by hand: the drivers alone, in the fastest form of each, with as much safety as the work needs.

mod postgres;
mod sqlite;

use async_trait::async_trait;

use crate::domain::{Account, MoneyDeposited};
pub(crate) use postgres::{Aggregate, Job, Jobs, PostgresLog, SameRows, Serializable};
pub(crate) use sqlite::SqliteLog;

/// The number of connections that a program without a framework would share among its tasks.
const POOL: u32 = 16;

/// A table of events, unique by aggregate and sequence, and nothing else.
///
/// The `alone` methods use a connection of their own; the others share a pool.
#[async_trait]
pub(crate) trait RawLog: Send + Sync {
    /// Executes one INSERT at a known sequence, including its fsync.
    async fn insert_alone(&self, event: &NewRow) -> anyhow::Result<()>;

    /// Inserts all events in one statement.
    async fn insert_many_alone(&self, events: &[NewRow]) -> anyhow::Result<()>;

    /// Executes one SELECT, and decodes and applies the events.
    async fn load_alone(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// Loads the newest snapshot and the events after it.
    async fn load_snapshot_alone(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// Replaces the snapshot.
    async fn store_snapshot(&self, aggregate: i64, loaded: &Loaded) -> anyhow::Result<()>;

    /// Reads and decodes a page of the log.
    async fn read_page_alone(&self, after: i64, limit: i64) -> anyhow::Result<Page>;

    /// Like [`load_alone`](Self::load_alone), with a connection of the pool.
    async fn load(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// Executes one INSERT at the sequence after the one on which the decision was made.
    async fn insert(&self, event: &NewRow) -> anyhow::Result<Landed>;
}

/// An event to be inserted.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) aggregate: i64,
    pub(crate) sequence: i64,
    pub(crate) payload: Vec<u8>,
}

/// A state and its sequence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) account: Account,
    pub(crate) sequence: i64,
}

/// A page of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) end: i64,
    pub(crate) events: u64,
    /// The sum of a field of the events, so that the decoding cannot be omitted.
    pub(crate) total: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    Yes,
    /// Another task has written this sequence first.
    Conflict,
}

impl NewRow {
    pub(crate) fn new(
        aggregate: i64,
        sequence: i64,
        event: &MoneyDeposited,
    ) -> anyhow::Result<Self> {
        Ok(Self { aggregate, sequence, payload: serde_json::to_vec(event)? })
    }
}

impl Loaded {
    fn replay(&mut self, sequence: i64, payload: &[u8]) -> anyhow::Result<()> {
        let event: MoneyDeposited = serde_json::from_slice(payload)?;
        self.account.replay(&event);
        self.sequence = sequence;
        Ok(())
    }
}

impl Page {
    fn from(after: i64) -> Self {
        Self { end: after, events: 0, total: 0 }
    }

    fn take(&mut self, position: i64, event: &MoneyDeposited) {
        self.end = position;
        self.events += 1;
        self.total += event.amount;
    }
}

impl Landed {
    /// Treats a violation of the unique index as a conflict, and any other error as a failure.
    fn from_insert<T>(outcome: Result<T, sqlx::Error>) -> anyhow::Result<Self> {
        match outcome {
            Ok(_) => Ok(Self::Yes),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Self::Conflict),
            Err(error) => Err(error.into()),
        }
    }
}
