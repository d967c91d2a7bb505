//! An engine that counts the calls it receives.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Commit, CommitOutcome, Committed, Control, DiscardedRequest,
    FirstOutcome, Heartbeat, HistoryRequest, IdBlock, Inspection, LeaseKey, LoadRequest,
    LoadedAggregate, LogPage, LogRequest, LogWatch, MatchRequest, Migration, NewSubscription,
    ParkedRequest, Reader, Settled, Settlement, StorageEngine, StoredSubscription,
    SubscriptionStorage, TypeName,
};
use evercore::{
    AggregateId, Clock, CommitId, DiscardedEvent, Error, IdempotencyKey, ParkedEvent, Position,
    RecordedEvent, Result, Start, SubscriptionName,
};
use evercore_memory::MemoryEngine;
use tokio::time::Instant;

/// The engine in memory with a count of its calls, each of which would be a round trip to a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    engine: MemoryEngine,
    calls: Arc<AtomicU64>,
    pages: Arc<AtomicU64>,
    settlements: Arc<AtomicU64>,
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

    /// Returns the number of settlements.
    pub(crate) fn settlements(&self) -> u64 {
        self.settlements.load(Ordering::SeqCst)
    }

    fn counted(&self) -> &MemoryEngine {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.engine
    }
}

#[async_trait]
impl StorageEngine for Counting {
    async fn migrate(&self) -> Result<()> {
        self.counted().migrate().await
    }

    fn migrations(&self) -> Vec<Migration> {
        self.engine.migrations()
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.counted().warmup(types).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.counted().aggregate_types().await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.counted().reserve_ids(count).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.counted().commit(commit).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.counted().find_commit(id).await
    }

    async fn find_first(&self, key: &IdempotencyKey) -> Result<Option<FirstOutcome>> {
        self.counted().find_first(key).await
    }

    fn watch_log(&self) -> LogWatch {
        self.engine.watch_log()
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        self.counted().begin_read().await
    }

    fn inspection(&self) -> &dyn Inspection {
        self.engine.inspection()
    }

    async fn close(&self) -> Result<()> {
        self.counted().close().await
    }
}

#[async_trait]
impl Reader for Counting {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.counted().load(request).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.counted().read_history(request).await
    }

    async fn read_log(&self, request: LogRequest) -> Result<LogPage> {
        self.counted().read_log(request).await
    }
}

#[async_trait]
impl SubscriptionStorage for Counting {
    async fn read_matching(&self, request: MatchRequest) -> Result<LogPage> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let error = self.page_errors.lock().expect("no test panics here").pop_front();
        if let Some(error) = error {
            return Err(error);
        }
        self.counted().read_matching(request).await
    }

    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.counted().resolve_start(start).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<()> {
        self.counted().register(subscription).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
    ) -> Result<Vec<StoredSubscription>> {
        self.counted().subscriptions(name).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        let less = |times: u64| times.checked_sub(1);
        if self.unreachable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Error::Unavailable { source: "nobody answers".into() });
        }
        let acquired = self.counted().acquire(request).await;
        tokio::time::sleep(self.grants_take).await;
        acquired
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.counted().ask_for(lease, by, patience).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        if !beats.is_empty() {
            let late = self.late_heartbeat.lock().expect("no test panics here").take();
            if let Some(late) = late {
                tokio::time::sleep(late).await;
            }
        }
        self.counted().heartbeat(beats).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.settlements.fetch_add(1, Ordering::SeqCst);
        self.counted().settle(settlement).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.counted().release(lease).await
    }

    async fn parked_aggregates(
        &self,
        subscription: &SubscriptionName,
        aggregates: &[AggregateId],
    ) -> Result<Vec<AggregateId>> {
        self.counted().parked_aggregates(subscription, aggregates).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.counted().discarded_events(request).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.counted().parked_events(request).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.counted().control(subscription, control).await
    }
}
