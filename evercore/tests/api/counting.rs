//! An engine that counts the calls it receives.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Capabilities, CommandLogStorage, Detail, Forward, Heartbeat,
    Inspection, LogQuery, LogWatch, Settled, Settlement, StorageEngine, StoredSubscription,
    TaskStorage,
};
use evercore::{Clock, Error, LogPage, Result, SubscriptionName};
use evercore_memory::MemoryEngine;
use tokio::time::Instant;

/// The engine in memory with a count of its calls, each of which would be a round trip to a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    engine: MemoryEngine,
    calls: Arc<AtomicU64>,
    pages: Arc<AtomicU64>,
    settlements: Arc<AtomicU64>,
    places: Arc<AtomicU64>,
    backlogs: Arc<AtomicU64>,
    grants_take: Duration,
    /// The number of calls of `acquire` that still fail to reach the engine.
    unreachable: Arc<AtomicU64>,
    /// The duration of the first heartbeat that has a lease.
    late_heartbeat: Arc<Mutex<Option<Duration>>>,
    /// The errors of the next pages of subscriptions.
    page_errors: Arc<Mutex<VecDeque<Error>>>,
}

/// Counts from its creation by tokio's clock, so that a test can pause it.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.0.elapsed()
    }
}

impl Counting {
    /// Creates an engine whose answers to `acquire` take this long.
    pub(crate) fn with_slow_grants(grants_take: Duration) -> Self {
        Self { grants_take, ..Self::default() }
    }

    /// Creates an engine whose first heartbeat with a lease takes this long. Leases expire by tokio's clock.
    pub(crate) fn with_a_late_heartbeat(takes: Duration) -> Self {
        let engine = MemoryEngine::with_clock(Arc::new(TokioClock(Instant::now())));
        let late_heartbeat = Arc::new(Mutex::new(Some(takes)));
        Self { engine, late_heartbeat, ..Self::default() }
    }

    /// Creates an engine that the first `times` calls of `acquire` do not reach.
    pub(crate) fn unreachable_at_first(times: u64) -> Self {
        Self { unreachable: Arc::new(times.into()), ..Self::default() }
    }

    /// Creates an engine whose first pages of subscriptions are these errors.
    pub(crate) fn with_page_errors(errors: impl IntoIterator<Item = Error>) -> Self {
        let errors = VecDeque::from_iter(errors);
        Self { page_errors: Arc::new(Mutex::new(errors)), ..Self::default() }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns the number of requested pages of subscriptions.
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::SeqCst)
    }

    /// Returns the numbers of looks at the places of subscriptions, and of those that also read what waits.
    pub(crate) fn looks(&self) -> (u64, u64) {
        (self.places.load(Ordering::SeqCst), self.backlogs.load(Ordering::SeqCst))
    }

    /// Returns the number of settlements.
    pub(crate) fn settlements(&self) -> u64 {
        self.settlements.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Forward for Counting {
    /// Counts a call. Those that are no round trip are not passed on through this.
    fn engine(&self) -> &dyn StorageEngine {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.engine
    }

    fn name(&self) -> &'static str {
        StorageEngine::name(&self.engine)
    }

    fn capabilities(&self) -> Capabilities {
        StorageEngine::capabilities(&self.engine)
    }

    fn watch_log(&self) -> LogWatch {
        StorageEngine::watch_log(&self.engine)
    }

    fn inspection(&self) -> &dyn Inspection {
        StorageEngine::inspection(&self.engine)
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        StorageEngine::tasks(&self.engine)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        StorageEngine::command_log(&self.engine)
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let error = self.page_errors.lock().expect("no test panics here").pop_front();
        match error {
            Some(error) => Err(error),
            None => self.engine().read_log(query).await,
        }
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        let looks = match detail {
            Detail::Places => &self.places,
            Detail::Backlog => &self.backlogs,
        };
        looks.fetch_add(1, Ordering::SeqCst);
        self.engine().subscriptions(name, detail).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        let less = |times: u64| times.checked_sub(1);
        if self.unreachable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Error::Unavailable { source: "the server does not answer".into() });
        }
        let acquired = self.engine().acquire(request).await;
        tokio::time::sleep(self.grants_take).await;
        acquired
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        if !beats.is_empty() {
            let late = self.late_heartbeat.lock().expect("no test panics here").take();
            if let Some(late) = late {
                tokio::time::sleep(late).await;
            }
        }
        self.engine().heartbeat(beats).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.settlements.fetch_add(1, Ordering::SeqCst);
        self.engine().settle(settlement).await
    }
}
