//! Implements the engine, with one log behind one lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use evercore::command::CommandId;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Capabilities, Capability, ClaimRequest, CommandLogStorage,
    CommandsRequest, Commit, Control, Controlled, Declarations, Detail, DiscardedRequest,
    EngineScheme, FailedAttempt, Heartbeat, HistoryRequest, IdBlock, IdempotentOutcome, Inspection,
    Lane, LeaseKey, LoadRequest, LoadedAggregate, LogQuery, LogSignal, LogWatch, NewSubscription,
    ParkedRequest, QueueControl, Reader, Registered, Settled, Settlement, StorageEngine,
    StoredCommand, StoredQueue, StoredSubscription, StoredTask, SubscriptionStorage, TagPage,
    TagRequest, TaskClaim, TaskLease, TaskStorage, TasksRequest, TypeName, UniqueName,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::task::{QueueName, TaskId};
use evercore::{
    AggregateId, Clock, CommitId, CommitOutcome, Committed, Error, IdempotencyKey, LogPage,
    Migration, Position, RecordedEvent, Result, Start, SubscriptionName, SystemClock,
};

use crate::faults::{Fate, Faults, outcome_unknown};
use crate::log::{Log, Version};
use crate::read::View;
use crate::subscriptions::Subscriptions;

/// The poll interval. Every commit is signalled, so this is only a safety net.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A storage engine that keeps everything in memory, for as long as it or a store on it exists.
///
/// A clone is the same engine: open a second store on a clone to see what another process would see.
#[derive(Clone)]
pub struct MemoryEngine {
    shared: Arc<Shared>,
}

struct Shared {
    log: RwLock<Log>,
    /// Locked before the log if both are locked.
    subscriptions: Mutex<Subscriptions>,
    /// Decides whether leases have ended, and tasks are due.
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
    grown: LogSignal,
    /// Notified when tasks were enqueued.
    enqueued: LogSignal,
    faults: Faults,
}

/// The log as it was when the view was opened.
struct MemoryView {
    shared: Arc<Shared>,
    version: Version,
    head: Position,
}

inventory::submit! {
    EngineScheme::new(&["memory"], |url| Box::pin(async move {
        match url.split_once(':') {
            Some((_, "" | "//")) => Ok(Arc::new(MemoryEngine::new()) as Arc<dyn StorageEngine>),
            _ => Err(Error::InvalidUrl {
                problem: "a store in memory has no name; use the URL `memory:`".to_owned(),
            }),
        }
    }))
}

impl MemoryEngine {
    /// Creates an empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Creates an empty engine that takes the end of leases and the time at which tasks are due, and nothing else, from
    /// `clock`.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            log: RwLock::default(),
            subscriptions: Mutex::new(Subscriptions::new(Arc::clone(&clock))),
            clock,
            closed: AtomicBool::default(),
            grown: LogSignal::new(),
            enqueued: LogSignal::new(),
            faults: Faults::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the faults planned for its next calls: conflicts, delays, lost answers. All clones of the engine share
    /// them.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub(crate) fn read(&self) -> Result<RwLockReadGuard<'_, Log>> {
        self.shared.read()
    }

    pub(crate) fn write(&self) -> Result<RwLockWriteGuard<'_, Log>> {
        self.shared.write()
    }

    /// Reads subscriptions and the log as of one moment.
    pub(crate) fn with_subscriptions<T>(
        &self,
        look: impl FnOnce(&Subscriptions, &Log) -> T,
    ) -> Result<T> {
        let subscriptions = self.shared.subscriptions()?;
        Ok(look(&subscriptions, &*self.shared.read()?))
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn read(&self) -> Result<RwLockReadGuard<'_, Log>> {
        let log = self.log.read().expect("BUG: a commit panicked halfway");
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(log) }
    }

    fn subscriptions(&self) -> Result<MutexGuard<'_, Subscriptions>> {
        let subscriptions =
            self.subscriptions.lock().expect("BUG: a change of a subscription panicked halfway");
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(subscriptions) }
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Log>> {
        let log = self.log.write().expect("BUG: a commit panicked halfway");
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(log) }
    }
}

#[async_trait]
impl StorageEngine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        let tags = Capabilities::NONE
            .with(Capability::Tags)
            .with(Capability::Tasks)
            .with(Capability::CommandLog);
        tags.with(Capability::ReadViews).with(Capability::Inspection).with(Capability::UniqueValues)
    }

    async fn migrate(&self) -> Result<()> {
        self.shared.read().map(drop)
    }

    fn migrations(&self) -> Vec<Migration> {
        Vec::new()
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        let mut log = self.shared.write()?;
        for name in types {
            log.aggregate_type(name.aggregate);
        }
        Ok(())
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        Ok(self.shared.read()?.aggregate_types.iter().cloned().collect())
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        let mut log = self.shared.write()?;
        let first = AggregateId::new(log.last_id + 1)?;
        log.last_id += i64::from(count);
        Ok(IdBlock::new(first, count))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let id = commit.id;
        let fate = self.shared.faults.meet_commit(&commit).await?;
        let enqueues = commit.enqueues();
        let committed = self.shared.write()?.commit(commit, self.shared.clock.now())?;
        self.shared.grown.notify();
        if enqueues {
            self.shared.enqueued.notify();
        }
        match fate {
            Fate::Sent => Ok(committed),
            Fate::Unheard => Err(outcome_unknown(id)),
        }
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.shared.faults.meet_outcome().await?;
        let mut log = self.shared.write()?;
        Ok(log.outcomes.entry(id).or_insert(CommitOutcome::NeverLands).clone())
    }

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        Ok(self.shared.read()?.firsts.get(key).cloned())
    }

    async fn declarations(&self) -> Result<Declarations> {
        Ok(self.shared.read()?.declarations())
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        self.shared.write()?.declare_unique(names);
        Ok(())
    }

    async fn begin_claiming(&self) -> Result<()> {
        // No commit is on its way.
        Ok(())
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        self.shared.write()?.record_claimed(names, up_to, is_complete);
        Ok(())
    }

    fn watch_log(&self) -> LogWatch {
        self.shared.grown.watch(POLL_INTERVAL)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        let log = self.shared.read()?;
        let (version, head) = (log.version, log.head());
        Ok(Box::new(MemoryView { shared: Arc::clone(&self.shared), version, head }))
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        Some(self)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        Some(self)
    }

    async fn close(&self) -> Result<()> {
        self.shared.closed.store(true, Ordering::Release);
        Ok(())
    }
}

#[async_trait]
impl Reader for MemoryEngine {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.shared.faults.meet_load().await?;
        let log = self.shared.read()?;
        Ok(now(&log).load(&request))
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        let log = self.shared.read()?;
        Ok(now(&log).read_history(request))
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let log = self.shared.read()?;
        Ok(now(&log).read_log(&query))
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let log = self.shared.read()?;
        Ok(now(&log).read_tagged(&requests))
    }
}

#[async_trait]
impl SubscriptionStorage for MemoryEngine {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.shared.read()?.resolve(start)
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        let mut subscriptions = self.shared.subscriptions()?;
        subscriptions.register(&*self.shared.read()?, subscription)
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        let subscriptions = self.shared.subscriptions()?;
        Ok(subscriptions.list(&*self.shared.read()?, name, detail))
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.shared.subscriptions()?.acquire(request)
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.shared.subscriptions()?.ask_for(lease, by, patience);
        Ok(())
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        let mut subscriptions = self.shared.subscriptions()?;
        Ok(subscriptions.heartbeat(&*self.shared.read()?, beats))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.shared.subscriptions()?.settle(settlement)
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.shared.subscriptions()?.release(lease);
        Ok(())
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        Ok(self.shared.subscriptions()?.parked_lanes(subscription, lanes))
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        let subscriptions = self.shared.subscriptions()?;
        Ok(subscriptions.discarded_events(&*self.shared.read()?, request))
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        let subscriptions = self.shared.subscriptions()?;
        Ok(subscriptions.parked_events(&*self.shared.read()?, request))
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        let mut subscriptions = self.shared.subscriptions()?;
        subscriptions.control(&*self.shared.read()?, subscription, control)
    }
}

#[async_trait]
impl TaskStorage for MemoryEngine {
    fn watch_queue(&self, _: &QueueName) -> LogWatch {
        self.shared.enqueued.watch(POLL_INTERVAL)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim> {
        let now = self.shared.clock.now();
        Ok(self.shared.write()?.tasks.claim(request, now))
    }

    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>> {
        let now = self.shared.clock.now();
        Ok(self.shared.write()?.tasks.renew(leases, lease, now))
    }

    async fn fail(&self, failed: &FailedAttempt) -> Result<()> {
        let now = self.shared.clock.now();
        self.shared.write()?.tasks.fail(failed, now)?;
        if failed.returns.is_some() {
            self.shared.enqueued.notify();
        }
        Ok(())
    }

    async fn release(&self, leases: &[TaskLease]) -> Result<()> {
        let now = self.shared.clock.now();
        self.shared.write()?.tasks.release(leases, now);
        self.shared.enqueued.notify();
        Ok(())
    }

    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>> {
        let now = self.shared.clock.now();
        Ok(self.shared.read()?.tasks.queues(name, now))
    }

    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>> {
        Ok(self.shared.read()?.tasks.read(request))
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>> {
        Ok(self.shared.read()?.tasks.find(id))
    }

    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled> {
        let now = self.shared.clock.now();
        let changed = self.shared.write()?.tasks.control(queue, control, now)?;
        self.shared.enqueued.notify();
        Ok(changed)
    }
}

#[async_trait]
impl CommandLogStorage for MemoryEngine {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        Ok(self.shared.read()?.commands.find(id))
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
        Ok(self.shared.read()?.commands.list(request))
    }

    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64> {
        let now = self.shared.clock.now();
        Ok(self.shared.write()?.commands.prune(older_than, limit, now))
    }
}

#[async_trait]
impl Reader for MemoryView {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.shared.faults.meet_load().await?;
        let log = self.shared.read()?;
        Ok(self.at(&log).load(&request))
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        let log = self.shared.read()?;
        Ok(self.at(&log).read_history(request))
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let log = self.shared.read()?;
        Ok(self.at(&log).read_log(&query))
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let log = self.shared.read()?;
        Ok(self.at(&log).read_tagged(&requests))
    }
}

impl MemoryView {
    fn at<'a>(&self, log: &'a Log) -> View<'a> {
        View { log, version: self.version, head: self.head }
    }
}

fn now(log: &Log) -> View<'_> {
    View { log, version: log.version, head: log.head() }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine").finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryView").field("head", &self.head).finish_non_exhaustive()
    }
}
