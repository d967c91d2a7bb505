//! An engine that adds an await point before and after each call to another engine, or fails all calls as if the
//! connection were cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evercore::command::CommandId;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Capabilities, ClaimRequest, CommandLogStorage, CommandsRequest,
    Commit, Control, Controlled, Declarations, Detail, DiscardedRequest, EventKey, FailedAttempt,
    Heartbeat, HistoryRequest, IdBlock, IdempotentOutcome, InspectEvents, InspectedAggregate,
    InspectedCommit, InspectedEvent, InspectedKey, InspectedParked, InspectedSubscription,
    InspectedTag, Inspection, Lane, LastGiven, LeaseKey, LoadRequest, LoadedAggregate, LogQuery,
    LogWatch, NewSubscription, ParkedRequest, QueueControl, Reader, Registered, Settled,
    Settlement, StorageEngine, StoredCommand, StoredQueue, StoredSubscription, StoredTag,
    StoredTask, SubscriptionStorage, TagBatch, TagDeclaration, TagKey, TagPage, TagRequest,
    TagStorage, TaskClaim, TaskLease, TaskStorage, TasksRequest, Transactor, TypeName, UniqueName,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent};
use evercore::task::{QueueName, TaskId};
use evercore::{
    AggregateId, CommitId, CommitOutcome, Committed, Error, IdempotencyKey, LogPage, Migration,
    Position, RecordedEvent, Result, Start, SubscriptionName,
};
use tokio::task::yield_now;

/// Wraps an engine and yields before each call takes effect and again before its result is returned.
///
/// While cut off, no call reaches the engine: each fails with [`Error::Unavailable`], as if the database were down.
#[derive(Debug)]
pub struct Halting<E: ?Sized>(Arc<E>, Way);

#[derive(Debug)]
struct HaltingView(Box<dyn Reader>, Way);

/// Whether calls reach the engine.
#[derive(Clone, Debug, Default)]
struct Way {
    is_cut_off: Arc<AtomicBool>,
}

impl<E: ?Sized> Halting<E> {
    pub(crate) fn new(engine: Arc<E>) -> Self {
        Self(engine, Way::default())
    }

    /// Creates an engine that is cut off while this flag is `true`.
    pub(crate) const fn cut_off_while(is_cut_off: Arc<AtomicBool>, engine: Arc<E>) -> Self {
        Self(engine, Way { is_cut_off })
    }
}

impl Way {
    async fn go<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_cut_off.load(Ordering::SeqCst) {
            return Err(Error::Unavailable { source: "it is cut off".into() });
        }
        halting(call).await
    }
}

async fn halting<F: Future>(call: F) -> F::Output {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

#[async_trait]
impl StorageEngine for Halting<dyn StorageEngine> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn migrate(&self) -> Result<()> {
        self.1.go(self.0.migrate()).await
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.1.go(self.0.warmup(types)).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.1.go(self.0.aggregate_types()).await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.1.go(self.0.reserve_ids(count)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.1.go(self.0.commit(commit)).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.1.go(self.0.find_commit(id)).await
    }

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        self.1.go(self.0.find_by_idempotency_key(key)).await
    }

    async fn declarations(&self) -> Result<Declarations> {
        self.1.go(self.0.declarations()).await
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        self.1.go(self.0.declare_unique(names)).await
    }

    async fn begin_claiming(&self) -> Result<()> {
        self.1.go(self.0.begin_claiming()).await
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        self.1.go(self.0.record_claimed(names, up_to, is_complete)).await
    }

    fn migrations(&self) -> Vec<Migration> {
        self.0.migrations()
    }

    fn watch_log(&self) -> LogWatch {
        self.0.watch_log()
    }

    fn inspection(&self) -> &dyn Inspection {
        self
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        let view = self.1.go(self.0.begin_read()).await?;
        Ok(Box::new(HaltingView(view, self.1.clone())))
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        self.0.tasks().map(|_| self as &dyn TaskStorage)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        self.0.command_log().map(|_| self as &dyn CommandLogStorage)
    }

    async fn close(&self) -> Result<()> {
        self.1.go(self.0.close()).await
    }
}

impl Halting<dyn StorageEngine> {
    fn queues_of_the_engine(&self) -> &dyn TaskStorage {
        self.0.tasks().expect("the engine has tasks, or this one would have none")
    }

    fn command_log_of_the_engine(&self) -> &dyn CommandLogStorage {
        self.0.command_log().expect("the engine has a command log, or this one would have none")
    }
}

#[async_trait]
impl TaskStorage for Halting<dyn StorageEngine> {
    fn watch_queue(&self, queue: &QueueName) -> LogWatch {
        self.queues_of_the_engine().watch_queue(queue)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim> {
        self.1.go(self.queues_of_the_engine().claim(request)).await
    }

    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>> {
        self.1.go(self.queues_of_the_engine().renew(leases, lease)).await
    }

    async fn fail(&self, failed: &FailedAttempt) -> Result<()> {
        self.1.go(self.queues_of_the_engine().fail(failed)).await
    }

    async fn release(&self, leases: &[TaskLease]) -> Result<()> {
        self.1.go(self.queues_of_the_engine().release(leases)).await
    }

    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>> {
        self.1.go(self.queues_of_the_engine().queues(name)).await
    }

    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>> {
        self.1.go(self.queues_of_the_engine().tasks(request)).await
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>> {
        self.1.go(self.queues_of_the_engine().find_task(id)).await
    }

    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled> {
        self.1.go(self.queues_of_the_engine().control(queue, control)).await
    }
}

#[async_trait]
impl CommandLogStorage for Halting<dyn StorageEngine> {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        self.1.go(self.command_log_of_the_engine().find(id)).await
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
        self.1.go(self.command_log_of_the_engine().list(request)).await
    }

    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64> {
        self.1.go(self.command_log_of_the_engine().prune(older_than, limit)).await
    }
}

#[async_trait]
impl TagStorage for Halting<dyn StorageEngine> {
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        self.1.go(self.0.declare_tags(declarations)).await
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        self.1.go(self.0.begin_tagging(tags)).await
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        self.1.go(self.0.add_tags(batch)).await
    }
}

#[async_trait]
impl Reader for Halting<dyn StorageEngine> {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.1.go(self.0.load(request)).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.1.go(self.0.read_history(request)).await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.1.go(self.0.read_log(query)).await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        self.1.go(self.0.read_tagged(requests)).await
    }
}

#[async_trait]
impl Reader for HaltingView {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.1.go(self.0.load(request)).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.1.go(self.0.read_history(request)).await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.1.go(self.0.read_log(query)).await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        self.1.go(self.0.read_tagged(requests)).await
    }
}

#[async_trait]
impl Inspection for Halting<dyn StorageEngine> {
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>> {
        self.1.go(self.0.inspection().aggregates(after, limit)).await
    }

    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>> {
        self.1.go(self.0.inspection().events(request)).await
    }

    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>> {
        self.1.go(self.0.inspection().positions(after, limit)).await
    }

    async fn tag_index(&self, after: Option<TagKey>, limit: u32) -> Result<Vec<InspectedTag>> {
        self.1.go(self.0.inspection().tag_index(after, limit)).await
    }

    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>> {
        self.1.go(self.0.inspection().keys(aggregate_type, after, limit)).await
    }

    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>> {
        self.1.go(self.0.inspection().commits(after, limit)).await
    }

    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        self.1.go(self.0.inspection().durable_subscriptions(after, limit)).await
    }

    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>> {
        self.1.go(self.0.inspection().parked(after, limit)).await
    }

    async fn last_given(&self) -> Result<LastGiven> {
        self.1.go(self.0.inspection().last_given()).await
    }
}

#[async_trait]
impl SubscriptionStorage for Halting<dyn StorageEngine> {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.1.go(self.0.resolve_start(start)).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        self.1.go(self.0.register(subscription)).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        self.1.go(self.0.subscriptions(name, detail)).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.1.go(self.0.acquire(request)).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.1.go(self.0.ask_for(lease, by, patience)).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        self.1.go(self.0.heartbeat(beats)).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.1.go(self.0.settle(settlement)).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.1.go(self.0.release(lease)).await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        self.1.go(self.0.parked_lanes(subscription, lanes)).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.1.go(self.0.discarded_events(request)).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.1.go(self.0.parked_events(request)).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.1.go(self.0.control(subscription, control)).await
    }
}

#[async_trait]
impl<T: Transactor> Transactor for Halting<T> {
    type Transaction = T::Transaction;

    async fn begin(&self, most_idle: Option<Duration>) -> Result<Self::Transaction> {
        self.1.go(self.0.begin(most_idle)).await
    }

    fn first_id(&self, transaction: &Self::Transaction) -> Option<AggregateId> {
        self.0.first_id(transaction)
    }

    async fn has_failed(
        &self,
        transaction: &mut Self::Transaction,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> bool {
        halting(self.0.has_failed(transaction, error)).await
    }

    async fn finish(&self, transaction: Self::Transaction, commit: Commit) -> Result<Committed> {
        self.1.go(self.0.finish(transaction, commit)).await
    }
}
