//! A store waits for its database, and says why.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use evercore::engine::{Forward, StorageEngine};
use evercore::{Error, EventStore, Result};
use evercore_memory::MemoryEngine;
use tracing::Level;

use crate::ROOT;
use crate::lines::Lines;

const AGAIN: &str = "the database cannot be used yet; trying again";

/// Longer than any test runs.
const LONG: Duration = Duration::from_secs(600);

/// An engine whose first migrations fail.
#[derive(Debug)]
struct Late {
    engine: MemoryEngine,
    failures: AtomicU64,
    error: fn() -> Error,
}

impl Late {
    fn new(failures: u64, error: fn() -> Error) -> Self {
        Self { engine: MemoryEngine::new(), failures: failures.into(), error }
    }
}

#[async_trait]
impl Forward for Late {
    fn engine(&self) -> &dyn StorageEngine {
        &self.engine
    }

    async fn migrate(&self) -> Result<()> {
        let less = |failures: u64| failures.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err((self.error)()),
            Err(_) => StorageEngine::migrate(&self.engine).await,
        }
    }
}

fn down() -> Error {
    let root = std::io::Error::other(ROOT);
    Error::Unavailable { source: Error::storage("connect", root).into() }
}

#[tokio::test]
async fn a_database_that_comes_up_late_is_waited_for() -> Result<()> {
    let (lines, _guard) = Lines::watch();
    EventStore::builder().wait_for_database(LONG).open(Late::new(2, down)).await?;
    let waits = lines.all(Level::WARN, AGAIN);
    assert_eq!(waits.len(), 2, "{waits:?}");
    for (line, wait) in waits.iter().zip(["wait=100ms", "wait=200ms"]) {
        assert!(line.contains(ROOT) && line.contains(wait), "{line}");
    }
    let opened = lines.one(Level::INFO, "the database can be used now");
    assert!(opened.contains("attempts=2"), "{opened}");
    Ok(())
}

#[tokio::test]
async fn a_database_is_not_waited_for_longer_than_asked() {
    let (lines, _guard) = Lines::watch();
    let time = Duration::from_millis(50);
    let (began, late) = (Instant::now(), Late::new(u64::MAX, down));
    let opened = EventStore::builder().wait_for_database(time).open(late).await;
    assert!(matches!(opened, Err(Error::Unavailable { .. })), "{opened:?}");
    assert!(began.elapsed() >= time);
    // The wait is shortened to the time that is left, after which there is a last attempt.
    assert!(!lines.all(Level::WARN, AGAIN).is_empty());
    let opened = EventStore::builder().open(Late::new(1, down)).await;
    assert!(matches!(opened, Err(Error::Unavailable { .. })), "by default, nothing is waited for");
}

#[tokio::test]
async fn an_error_that_does_not_pass_is_not_waited_for() {
    let (lines, _guard) = Lines::watch();
    let wrong = || Error::storage("connect", ROOT);
    let opened = EventStore::builder().wait_for_database(LONG).open(Late::new(1, wrong)).await;
    assert!(matches!(opened, Err(Error::Storage { .. })), "{opened:?}");
    let opened = EventStore::builder().wait_for_database(LONG).connect("mysql://db/bank").await;
    assert!(matches!(opened, Err(Error::UnknownScheme { .. })), "{opened:?}");
    assert_eq!(lines.all(Level::WARN, ""), [""; 0]);
}
