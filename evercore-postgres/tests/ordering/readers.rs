//! Readers that follow the log while it grows: the engine's, and two with known faults.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use evercore::{EventStore, Position};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::log::Log;

/// The maximum number of events in a page.
const PAGE: u32 = 500;

/// The interval between reads, which leaves the machine to the writers.
const PACE: Duration = Duration::from_millis(1);

/// Reads the log page by page.
#[async_trait]
pub(crate) trait Follow: Send + 'static {
    /// Returns the positions of the next page.
    async fn next(&mut self) -> Vec<i64>;
}

/// The engine's reader.
pub(crate) struct Frontier {
    store: EventStore,
    cursor: Position,
}

/// Reads up to the highest visible position.
pub(crate) struct Naive {
    connection: PgConnection,
    sql: String,
    cursor: i64,
}

/// Reads the frontier and the events in one statement, and therefore in one snapshot.
pub(crate) struct OneStatement(Naive);

/// A running reader.
#[derive(Debug)]
pub(crate) struct Reading {
    written: watch::Sender<bool>,
    task: JoinHandle<Vec<i64>>,
}

/// The positions that a reader has seen, in order.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) seen: Vec<i64>,
    committed: usize,
}

impl Frontier {
    pub(crate) async fn open(log: &Log) -> Self {
        Self { store: log.store(1).await, cursor: Position::START }
    }
}

#[async_trait]
impl Follow for Frontier {
    async fn next(&mut self) -> Vec<i64> {
        let page = self.store.read_log(self.cursor, PAGE).await.expect("it can be read");
        self.cursor = page.end;
        page.events.iter().map(|event| event.position().get()).collect()
    }
}

impl Naive {
    pub(crate) async fn open(log: &Log) -> Self {
        let sql = format!(
            "SELECT position FROM {}.events WHERE position > $1 ORDER BY position LIMIT {PAGE}",
            log.schema
        );
        Self { connection: log.sql().await, sql, cursor: 0 }
    }
}

#[async_trait]
impl Follow for Naive {
    async fn next(&mut self) -> Vec<i64> {
        let page: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(self.sql.as_str()))
            .bind(self.cursor)
            .fetch_all(&mut self.connection)
            .await
            .expect("numbers");
        self.cursor = page.last().copied().unwrap_or(self.cursor);
        page
    }
}

impl OneStatement {
    pub(crate) async fn open(log: &Log) -> Self {
        let sql = format!(
            "WITH looked AS MATERIALIZED (SELECT frontier FROM {0}.frontier())
             SELECT e.position
             FROM looked, {0}.events e
             WHERE e.position > $1 AND e.position <= looked.frontier
             ORDER BY e.position
             LIMIT {PAGE}",
            log.schema
        );
        Self(Naive { connection: log.sql().await, sql, cursor: 0 })
    }
}

#[async_trait]
impl Follow for OneStatement {
    async fn next(&mut self) -> Vec<i64> {
        self.0.next().await
    }
}

impl Reading {
    pub(crate) fn start(mut reader: impl Follow) -> Self {
        let (written, all_written) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_last = *all_written.borrow();
                let page = reader.next().await;
                if is_last && page.is_empty() {
                    return seen;
                }
                seen.extend(page);
                pace.tick().await;
            }
        });
        Self { written, task }
    }

    /// Lets the reader read to the end after the writers have stopped.
    pub(crate) async fn finish(self, committed: &[i64]) -> Seen {
        self.written.send_replace(true);
        let seen = self.task.await.expect("it can read");
        let all: HashSet<&i64> = committed.iter().collect();
        assert!(seen.iter().all(|position| all.contains(position)), "it sees what is committed");
        Seen { seen, committed: committed.len() }
    }
}

impl Seen {
    pub(crate) fn missed(&self) -> usize {
        self.committed - self.seen.iter().collect::<HashSet<_>>().len()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed = self.missed();
        let thousands = missed * 1_000 / self.committed.max(1);
        write!(f, "missed {missed} of {} ({}.{} %)", self.committed, thousands / 10, thousands % 10)
    }
}
