//! An engine with a fault: the engine in memory, except for the overridden behavior.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evercore::command::CommandId;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Capabilities, ClaimRequest, CommandLogStorage, CommandsRequest,
    Commit, Control, Controlled, Declarations, Detail, DiscardedRequest, EventKey, EventRow,
    FailedAttempt, Heartbeat, HistoryRequest, IdBlock, IdempotentOutcome, InspectEvents,
    InspectedAggregate, InspectedCommit, InspectedEvent, InspectedKey, InspectedParked,
    InspectedSubscription, Inspection, Lane, LastGiven, LeaseKey, LoadRequest, LoadedAggregate,
    LogQuery, LogWatch, NewSubscription, ParkedRequest, QueueControl, Reader, Registered, Settled,
    Settlement, StorageEngine, StoredCommand, StoredQueue, StoredSubscription, StoredTag,
    StoredTask, SubscriptionStorage, TagBatch, TagDeclaration, TagPage, TagRequest, TagStorage,
    TaskClaim, TaskLease, TaskStorage, TasksRequest, TypeName, UniqueName,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::task::{QueueName, TaskId};
use evercore::{
    CommitId, CommitOutcome, Committed, Error, IdempotencyKey, LogPage, Migration, Position,
    RecordedEvent, Result, Start, SubscriptionName,
};
use evercore_conformance::{Durability, Harness};
use evercore_memory::MemoryEngine;

/// A fault of an engine. The default methods behave correctly.
#[async_trait]
pub(crate) trait Fault: std::fmt::Debug + Send + Sync + 'static {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        engine.commit(commit).await
    }

    async fn find_commit(&self, engine: &MemoryEngine, id: CommitId) -> Result<CommitOutcome> {
        engine.find_commit(id).await
    }

    async fn reserve_ids(&self, engine: &MemoryEngine, count: u32) -> Result<IdBlock> {
        engine.reserve_ids(count).await
    }

    async fn aggregate_types(&self, engine: &MemoryEngine) -> Result<Vec<Arc<str>>> {
        engine.aggregate_types().await
    }

    fn watch_log(&self, engine: &MemoryEngine) -> LogWatch {
        engine.watch_log()
    }

    fn detail(&self, wanted: Detail) -> Detail {
        wanted
    }

    async fn begin_read(&self, engine: &MemoryEngine) -> Result<Box<dyn Reader>> {
        engine.begin_read().await
    }

    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        reader.load(request).await
    }

    async fn read_history(
        &self,
        reader: &dyn Reader,
        request: HistoryRequest,
    ) -> Result<Vec<RecordedEvent>> {
        reader.read_history(request).await
    }

    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        reader.read_log(query).await
    }

    async fn read_tagged(
        &self,
        reader: &dyn Reader,
        requests: Vec<TagRequest>,
    ) -> Result<Vec<TagPage>> {
        reader.read_tagged(requests).await
    }

    async fn declarations(&self, engine: &MemoryEngine) -> Result<Declarations> {
        engine.declarations().await
    }

    async fn declare_unique(&self, engine: &MemoryEngine, names: &[UniqueName]) -> Result<()> {
        engine.declare_unique(names).await
    }

    async fn declare_tags(
        &self,
        engine: &MemoryEngine,
        declarations: &[(StoredTag, TagDeclaration)],
    ) -> Result<()> {
        engine.declare_tags(declarations).await
    }

    async fn begin_tagging(&self, engine: &MemoryEngine, tags: &[StoredTag]) -> Result<Position> {
        engine.begin_tagging(tags).await
    }

    async fn add_tags(&self, engine: &MemoryEngine, batch: &TagBatch) -> Result<bool> {
        engine.add_tags(batch).await
    }

    async fn register(&self, engine: &MemoryEngine, new: &NewSubscription) -> Result<Registered> {
        engine.register(new).await
    }

    async fn acquire(&self, engine: &MemoryEngine, request: &AcquireRequest) -> Result<Acquired> {
        engine.acquire(request).await
    }

    async fn heartbeat(&self, engine: &MemoryEngine, beats: &[Beat]) -> Result<Heartbeat> {
        engine.heartbeat(beats).await
    }

    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        engine.settle(settlement).await
    }

    async fn release(&self, engine: &MemoryEngine, lease: &LeaseKey) -> Result<()> {
        SubscriptionStorage::release(engine, lease).await
    }

    async fn parked_lanes(
        &self,
        engine: &MemoryEngine,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        engine.parked_lanes(subscription, lanes).await
    }

    async fn control(
        &self,
        engine: &MemoryEngine,
        subscription: &SubscriptionName,
        control: &Control,
    ) -> Result<()> {
        SubscriptionStorage::control(engine, subscription, control).await
    }

    async fn inspect_aggregates(
        &self,
        engine: &MemoryEngine,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<InspectedAggregate>> {
        Inspection::aggregates(engine, after, limit).await
    }

    async fn inspect_events(
        &self,
        engine: &MemoryEngine,
        request: &InspectEvents,
    ) -> Result<Vec<InspectedEvent>> {
        Inspection::events(engine, request).await
    }

    async fn inspect_positions(
        &self,
        engine: &MemoryEngine,
        after: Option<EventKey>,
        limit: u32,
    ) -> Result<Vec<EventKey>> {
        Inspection::positions(engine, after, limit).await
    }

    async fn inspect_subscriptions(
        &self,
        engine: &MemoryEngine,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        Inspection::durable_subscriptions(engine, after, limit).await
    }

    async fn last_given(&self, engine: &MemoryEngine) -> Result<LastGiven> {
        engine.last_given().await
    }

    async fn claim(&self, engine: &MemoryEngine, request: &ClaimRequest) -> Result<TaskClaim> {
        engine.claim(request).await
    }

    async fn renew(
        &self,
        engine: &MemoryEngine,
        leases: &[TaskLease],
        lease: Duration,
    ) -> Result<Vec<bool>> {
        engine.renew(leases, lease).await
    }

    async fn fail(&self, engine: &MemoryEngine, failed: &FailedAttempt) -> Result<()> {
        engine.fail(failed).await
    }

    async fn give_back(&self, engine: &MemoryEngine, leases: &[TaskLease]) -> Result<()> {
        TaskStorage::release(engine, leases).await
    }

    async fn control_queue(
        &self,
        engine: &MemoryEngine,
        queue: &QueueName,
        control: &QueueControl,
    ) -> Result<Controlled> {
        TaskStorage::control(engine, queue, control).await
    }

    async fn list_commands(
        &self,
        engine: &MemoryEngine,
        request: &CommandsRequest,
    ) -> Result<Vec<StoredCommand>> {
        CommandLogStorage::list(engine, request).await
    }

    async fn prune_commands(
        &self,
        engine: &MemoryEngine,
        older_than: Duration,
        limit: u32,
    ) -> Result<u64> {
        CommandLogStorage::prune(engine, older_than, limit).await
    }

    /// Changes an event that is read.
    fn show(&self, _row: &mut EventRow) {}

    /// Returns the log that the next process finds, given the log that the last one left.
    fn next_process(&self, log: &MemoryEngine) -> MemoryEngine {
        log.clone()
    }

    fn capabilities(&self, engine: &MemoryEngine) -> Capabilities {
        engine.capabilities()
    }

    fn heeds_close(&self) -> bool {
        true
    }
}

/// No fault, for the control.
#[derive(Debug)]
pub(crate) struct Sound;

impl Fault for Sound {}

/// A log that outlives the engines on it, and the fault that all of them have.
#[derive(Debug)]
pub(crate) struct Faulty {
    log: MemoryEngine,
    fault: Arc<dyn Fault>,
}

/// An engine on such a log. Closing it leaves the log as it is.
#[derive(Debug)]
struct FaultyEngine {
    log: MemoryEngine,
    fault: Arc<dyn Fault>,
    closed: AtomicBool,
}

/// Reads from a view or from the engine itself, and applies the fault.
#[derive(Debug)]
struct Glasses {
    reader: Box<dyn Reader>,
    fault: Arc<dyn Fault>,
}

impl Faulty {
    pub(crate) fn new(fault: impl Fault) -> Self {
        Self { log: MemoryEngine::new(), fault: Arc::new(fault) }
    }
}

#[async_trait]
impl Harness for Faulty {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        let log = self.fault.next_process(&self.log);
        let (fault, closed) = (Arc::clone(&self.fault), AtomicBool::new(false));
        Ok(Arc::new(FaultyEngine { log, fault, closed }))
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

impl FaultyEngine {
    fn log(&self) -> Result<&MemoryEngine> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(&self.log) }
    }

    fn glasses(&self, reader: Box<dyn Reader>) -> Glasses {
        Glasses { reader, fault: Arc::clone(&self.fault) }
    }

    fn now(&self) -> Result<Glasses> {
        Ok(self.glasses(Box::new(self.log()?.clone())))
    }
}

#[async_trait]
impl StorageEngine for FaultyEngine {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn capabilities(&self) -> Capabilities {
        self.fault.capabilities(&self.log)
    }

    async fn migrate(&self) -> Result<()> {
        self.log()?.migrate().await
    }

    fn migrations(&self) -> Vec<Migration> {
        self.log.migrations()
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.log()?.warmup(types).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.fault.aggregate_types(self.log()?).await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.fault.reserve_ids(self.log()?, count).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.fault.commit(self.log()?, commit).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.fault.find_commit(self.log()?, id).await
    }

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        self.log()?.find_by_idempotency_key(key).await
    }

    async fn declarations(&self) -> Result<Declarations> {
        self.fault.declarations(self.log()?).await
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        self.fault.declare_unique(self.log()?, names).await
    }

    async fn begin_claiming(&self) -> Result<()> {
        self.log()?.begin_claiming().await
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        self.log()?.record_claimed(names, up_to, is_complete).await
    }

    fn watch_log(&self) -> LogWatch {
        self.fault.watch_log(&self.log)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(self.glasses(self.fault.begin_read(self.log()?).await?)))
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
        self.closed.store(self.fault.heeds_close(), Ordering::Release);
        Ok(())
    }
}

#[async_trait]
impl Inspection for FaultyEngine {
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>> {
        self.fault.inspect_aggregates(self.log()?, after, limit).await
    }

    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>> {
        self.fault.inspect_events(self.log()?, request).await
    }

    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>> {
        self.fault.inspect_positions(self.log()?, after, limit).await
    }

    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>> {
        Inspection::keys(self.log()?, aggregate_type, after, limit).await
    }

    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>> {
        Inspection::commits(self.log()?, after, limit).await
    }

    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        self.fault.inspect_subscriptions(self.log()?, after, limit).await
    }

    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>> {
        Inspection::parked(self.log()?, after, limit).await
    }

    async fn last_given(&self) -> Result<LastGiven> {
        self.fault.last_given(self.log()?).await
    }
}

#[async_trait]
impl TagStorage for FaultyEngine {
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        self.fault.declare_tags(self.log()?, declarations).await
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        self.fault.begin_tagging(self.log()?, tags).await
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        self.fault.add_tags(self.log()?, batch).await
    }
}

#[async_trait]
impl Reader for FaultyEngine {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.now()?.load(request).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.now()?.read_history(request).await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.now()?.read_log(query).await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        self.now()?.read_tagged(requests).await
    }
}

#[async_trait]
impl SubscriptionStorage for FaultyEngine {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.log()?.resolve_start(start).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        self.fault.register(self.log()?, subscription).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        self.log()?.subscriptions(name, self.fault.detail(detail)).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.fault.acquire(self.log()?, request).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.log()?.ask_for(lease, by, patience).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        self.fault.heartbeat(self.log()?, beats).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.fault.settle(self.log()?, settlement).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.fault.release(self.log()?, lease).await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        self.fault.parked_lanes(self.log()?, subscription, lanes).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.log()?.discarded_events(request).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.log()?.parked_events(request).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.fault.control(self.log()?, subscription, control).await
    }
}

#[async_trait]
impl TaskStorage for FaultyEngine {
    fn watch_queue(&self, queue: &QueueName) -> LogWatch {
        self.log.watch_queue(queue)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim> {
        self.fault.claim(self.log()?, request).await
    }

    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>> {
        self.fault.renew(self.log()?, leases, lease).await
    }

    async fn fail(&self, failed: &FailedAttempt) -> Result<()> {
        self.fault.fail(self.log()?, failed).await
    }

    async fn release(&self, leases: &[TaskLease]) -> Result<()> {
        self.fault.give_back(self.log()?, leases).await
    }

    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>> {
        self.log()?.queues(name).await
    }

    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>> {
        TaskStorage::tasks(self.log()?, request).await
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>> {
        self.log()?.find_task(id).await
    }

    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled> {
        self.fault.control_queue(self.log()?, queue, control).await
    }
}

#[async_trait]
impl CommandLogStorage for FaultyEngine {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        CommandLogStorage::find(self.log()?, id).await
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
        self.fault.list_commands(self.log()?, request).await
    }

    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64> {
        self.fault.prune_commands(self.log()?, older_than, limit).await
    }
}

#[async_trait]
impl Reader for Glasses {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        let loaded = self.fault.load(&*self.reader, request).await?;
        Ok(loaded.map(|mut loaded| {
            loaded.events = self.show(loaded.events);
            loaded
        }))
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        Ok(self.show(self.fault.read_history(&*self.reader, request).await?))
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        let mut page = self.fault.read_log(&*self.reader, query).await?;
        page.events = self.show(page.events);
        Ok(page)
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let mut pages = self.fault.read_tagged(&*self.reader, requests).await?;
        for page in &mut pages {
            page.events = self.show(std::mem::take(&mut page.events));
        }
        Ok(pages)
    }
}

impl Glasses {
    fn show(&self, events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        events
            .into_iter()
            .map(|event| {
                let mut row = row(&event);
                self.fault.show(&mut row);
                row.into()
            })
            .collect()
    }
}

fn row(event: &RecordedEvent) -> EventRow {
    let mut made = EventRow::new(
        event.position(),
        event.aggregate_id(),
        event.sequence(),
        event.aggregate_type().into(),
        event.event_type().into(),
        event.payload().clone(),
        event.recorded_at(),
    );
    made.version = event.version();
    made.event_time = event.event_time();
    made.reference = event.reference().map(Box::from);
    made.tags = event.tags().clone();
    made.metadata = (!event.metadata().is_empty()).then(|| Box::new(event.metadata().clone()));
    made
}
