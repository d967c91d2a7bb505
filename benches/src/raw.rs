//! The same work by hand: the drivers alone, in the form in which each is fastest, with as much safety as the work needs.

mod postgres;
mod sqlite;

use async_trait::async_trait;

use crate::domain::{Account, MoneyDeposited};
pub(crate) use postgres::{Aggregate, PostgresLog, SameRows};
pub(crate) use sqlite::SqliteLog;

/// How many connections a program without a framework would share among its tasks.
const POOL: u32 = 16;

/// A table of events, unique by aggregate and sequence, and nothing else.
///
/// The statements of `alone` use a connection of their own; the others share a pool.
#[async_trait]
pub(crate) trait RawLog: Send + Sync {
    /// One INSERT at a known sequence, and its fsync.
    async fn insert_alone(&self, event: &NewRow) -> anyhow::Result<()>;

    /// All in one statement.
    async fn insert_many_alone(&self, events: &[NewRow]) -> anyhow::Result<()>;

    /// One SELECT, decoded and applied.
    async fn load_alone(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// The newest snapshot, and what came after it.
    async fn load_snapshot_alone(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// A snapshot in place of the former.
    async fn store_snapshot(&self, aggregate: i64, loaded: &Loaded) -> anyhow::Result<()>;

    /// A page of the log, decoded.
    async fn read_page_alone(&self, after: i64, limit: i64) -> anyhow::Result<Page>;

    /// As [`load_alone`](Self::load_alone), by a connection of the pool.
    async fn load(&self, aggregate: i64) -> anyhow::Result<Loaded>;

    /// One INSERT at the sequence after the one that was decided on.
    async fn insert(&self, event: &NewRow) -> anyhow::Result<Landed>;
}

/// An event to be written.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) aggregate: i64,
    pub(crate) sequence: i64,
    pub(crate) payload: Vec<u8>,
}

/// A state, and where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) account: Account,
    pub(crate) sequence: i64,
}

/// What was read of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) end: i64,
    pub(crate) events: u64,
    /// What was read out of the events: nobody can leave the decoding out.
    pub(crate) total: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    Yes,
    /// Somebody else wrote this sequence first.
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
    /// A violation of the unique index is somebody else's event; all else is a failure.
    fn from_insert<T>(outcome: Result<T, sqlx::Error>) -> anyhow::Result<Self> {
        match outcome {
            Ok(_) => Ok(Self::Yes),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Self::Conflict),
            Err(error) => Err(error.into()),
        }
    }
}
