//! Passes the calls of an engine on to another engine.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AcquireRequest, Acquired, Beat, Capabilities, Capability, CommandLogStorage, Commit, Control,
    Declarations, Detail, DiscardedRequest, Heartbeat, HistoryRequest, IdBlock, IdempotentOutcome,
    Inspection, Lane, LeaseKey, LoadRequest, LoadedAggregate, LogQuery, LogWatch, NewSubscription,
    ParkedRequest, Reader, Registered, Settled, Settlement, StorageEngine, StoredSubscription,
    StoredTag, SubscriptionStorage, TagBatch, TagDeclaration, TagPage, TagRequest, TagStorage,
    TaskStorage, TypeName, UniqueName,
};
use crate::observer::Observer;
use crate::{
    CommitId, CommitOutcome, Committed, DiscardedEvent, IdempotencyKey, LogPage, Migration,
    ParkedEvent, Position, RecordedEvent, Result, Start, SubscriptionName,
};

/// An engine that wraps another one, for example to count its calls, to add faults, or to choose among several engines.
///
/// A type that implements this trait is a [`StorageEngine`]. Each method passes its call on to the wrapped engine; a
/// wrapper overrides those that it changes. Methods that the contract gets later are passed on without a change to the
/// wrapper.
///
/// # Example: an engine that counts commits
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use async_trait::async_trait;
/// use evercore::engine::{Commit, Forward, StorageEngine};
/// use evercore::{Committed, EventStore, Result};
/// use evercore_memory::MemoryEngine;
///
/// #[derive(Debug)]
/// struct Counting {
///     engine: MemoryEngine,
///     commits: AtomicU64,
/// }
///
/// #[async_trait]
/// impl Forward for Counting {
///     fn engine(&self) -> &dyn StorageEngine {
///         &self.engine
///     }
///
///     async fn commit(&self, commit: Commit) -> Result<Committed> {
///         self.commits.fetch_add(1, Ordering::Relaxed);
///         self.engine().commit(commit).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let counting = Counting { engine: MemoryEngine::new(), commits: AtomicU64::new(0) };
/// let store = EventStore::builder().open(counting).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Forward: Debug + Send + Sync + 'static {
    /// Returns the wrapped engine.
    fn engine(&self) -> &dyn StorageEngine;

    /// See [`StorageEngine::name`].
    fn name(&self) -> &'static str {
        self.engine().name()
    }

    /// Returns the capabilities of the wrapped engine, without [`Capability::Transactions`]: user code finds the engine
    /// of a transaction by its type, and a wrapper is another type.
    fn capabilities(&self) -> Capabilities {
        self.engine().capabilities().without(Capability::Transactions)
    }

    /// See [`StorageEngine::observe`].
    fn observe(&self, observer: Arc<dyn Observer>) {
        self.engine().observe(observer);
    }

    /// See [`StorageEngine::migrate`].
    async fn migrate(&self) -> Result<()> {
        self.engine().migrate().await
    }

    /// See [`StorageEngine::migrations`].
    fn migrations(&self) -> Vec<Migration> {
        self.engine().migrations()
    }

    /// See [`StorageEngine::warmup`].
    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        self.engine().warmup(types).await
    }

    /// See [`StorageEngine::aggregate_types`].
    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        self.engine().aggregate_types().await
    }

    /// See [`StorageEngine::reserve_ids`].
    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        self.engine().reserve_ids(count).await
    }

    /// See [`StorageEngine::commit`].
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.engine().commit(commit).await
    }

    /// See [`StorageEngine::find_commit`].
    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        self.engine().find_commit(id).await
    }

    /// See [`StorageEngine::find_by_idempotency_key`].
    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        self.engine().find_by_idempotency_key(key).await
    }

    /// See [`StorageEngine::declarations`].
    async fn declarations(&self) -> Result<Declarations> {
        self.engine().declarations().await
    }

    /// See [`StorageEngine::declare_unique`].
    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        self.engine().declare_unique(names).await
    }

    /// See [`StorageEngine::begin_claiming`].
    async fn begin_claiming(&self) -> Result<()> {
        self.engine().begin_claiming().await
    }

    /// See [`StorageEngine::record_claimed`].
    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        self.engine().record_claimed(names, up_to, is_complete).await
    }

    /// See [`StorageEngine::watch_log`].
    fn watch_log(&self) -> LogWatch {
        self.engine().watch_log()
    }

    /// See [`StorageEngine::begin_read`].
    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        self.engine().begin_read().await
    }

    /// See [`StorageEngine::inspection`].
    fn inspection(&self) -> &dyn Inspection {
        self.engine().inspection()
    }

    /// See [`StorageEngine::tasks`].
    fn tasks(&self) -> Option<&dyn TaskStorage> {
        self.engine().tasks()
    }

    /// See [`StorageEngine::command_log`].
    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        self.engine().command_log()
    }

    /// See [`StorageEngine::close`].
    async fn close(&self) -> Result<()> {
        self.engine().close().await
    }

    /// See [`Reader::load`].
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        self.engine().load(request).await
    }

    /// See [`Reader::load_all`].
    async fn load_all(&self, requests: Vec<LoadRequest>) -> Result<Vec<Option<LoadedAggregate>>> {
        self.engine().load_all(requests).await
    }

    /// See [`Reader::read_history`].
    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        self.engine().read_history(request).await
    }

    /// See [`Reader::read_log`].
    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        self.engine().read_log(query).await
    }

    /// See [`Reader::read_tagged`].
    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        self.engine().read_tagged(requests).await
    }

    /// See [`TagStorage::declare_tags`].
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        self.engine().declare_tags(declarations).await
    }

    /// See [`TagStorage::begin_tagging`].
    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        self.engine().begin_tagging(tags).await
    }

    /// See [`TagStorage::add_tags`].
    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        self.engine().add_tags(batch).await
    }

    /// See [`SubscriptionStorage::resolve_start`].
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        self.engine().resolve_start(start).await
    }

    /// See [`SubscriptionStorage::register`].
    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        self.engine().register(subscription).await
    }

    /// See [`SubscriptionStorage::subscriptions`].
    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        self.engine().subscriptions(name, detail).await
    }

    /// See [`SubscriptionStorage::acquire`].
    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        self.engine().acquire(request).await
    }

    /// See [`SubscriptionStorage::ask_for`].
    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        self.engine().ask_for(lease, by, patience).await
    }

    /// See [`SubscriptionStorage::heartbeat`].
    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        self.engine().heartbeat(beats).await
    }

    /// See [`SubscriptionStorage::settle`].
    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        self.engine().settle(settlement).await
    }

    /// See [`SubscriptionStorage::release`].
    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        self.engine().release(lease).await
    }

    /// See [`SubscriptionStorage::parked_lanes`].
    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        self.engine().parked_lanes(subscription, lanes).await
    }

    /// See [`SubscriptionStorage::parked_events`].
    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        self.engine().parked_events(request).await
    }

    /// See [`SubscriptionStorage::discarded_events`].
    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        self.engine().discarded_events(request).await
    }

    /// See [`SubscriptionStorage::control`].
    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        self.engine().control(subscription, control).await
    }
}

#[async_trait]
impl<F: Forward> StorageEngine for F {
    fn name(&self) -> &'static str {
        Forward::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        Forward::capabilities(self)
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        Forward::observe(self, observer);
    }

    async fn migrate(&self) -> Result<()> {
        Forward::migrate(self).await
    }

    fn migrations(&self) -> Vec<Migration> {
        Forward::migrations(self)
    }

    async fn warmup(&self, types: &[TypeName]) -> Result<()> {
        Forward::warmup(self, types).await
    }

    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>> {
        Forward::aggregate_types(self).await
    }

    async fn reserve_ids(&self, count: u32) -> Result<IdBlock> {
        Forward::reserve_ids(self, count).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        Forward::commit(self, commit).await
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        Forward::find_commit(self, id).await
    }

    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>> {
        Forward::find_by_idempotency_key(self, key).await
    }

    async fn declarations(&self) -> Result<Declarations> {
        Forward::declarations(self).await
    }

    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()> {
        Forward::declare_unique(self, names).await
    }

    async fn begin_claiming(&self) -> Result<()> {
        Forward::begin_claiming(self).await
    }

    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()> {
        Forward::record_claimed(self, names, up_to, is_complete).await
    }

    fn watch_log(&self) -> LogWatch {
        Forward::watch_log(self)
    }

    async fn begin_read(&self) -> Result<Box<dyn Reader>> {
        Forward::begin_read(self).await
    }

    fn inspection(&self) -> &dyn Inspection {
        Forward::inspection(self)
    }

    fn tasks(&self) -> Option<&dyn TaskStorage> {
        Forward::tasks(self)
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        Forward::command_log(self)
    }

    async fn close(&self) -> Result<()> {
        Forward::close(self).await
    }
}

#[async_trait]
impl<F: Forward> Reader for F {
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>> {
        Forward::load(self, request).await
    }

    async fn load_all(&self, requests: Vec<LoadRequest>) -> Result<Vec<Option<LoadedAggregate>>> {
        Forward::load_all(self, requests).await
    }

    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>> {
        Forward::read_history(self, request).await
    }

    async fn read_log(&self, query: LogQuery) -> Result<LogPage> {
        Forward::read_log(self, query).await
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        Forward::read_tagged(self, requests).await
    }
}

#[async_trait]
impl<F: Forward> TagStorage for F {
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        Forward::declare_tags(self, declarations).await
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        Forward::begin_tagging(self, tags).await
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        Forward::add_tags(self, batch).await
    }
}

#[async_trait]
impl<F: Forward> SubscriptionStorage for F {
    async fn resolve_start(&self, start: Start) -> Result<Position> {
        Forward::resolve_start(self, start).await
    }

    async fn register(&self, subscription: &NewSubscription) -> Result<Registered> {
        Forward::register(self, subscription).await
    }

    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>> {
        Forward::subscriptions(self, name, detail).await
    }

    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired> {
        Forward::acquire(self, request).await
    }

    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()> {
        Forward::ask_for(self, lease, by, patience).await
    }

    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat> {
        Forward::heartbeat(self, beats).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled> {
        Forward::settle(self, settlement).await
    }

    async fn release(&self, lease: &LeaseKey) -> Result<()> {
        Forward::release(self, lease).await
    }

    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        Forward::parked_lanes(self, subscription, lanes).await
    }

    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>> {
        Forward::parked_events(self, request).await
    }

    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>> {
        Forward::discarded_events(self, request).await
    }

    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()> {
        Forward::control(self, subscription, control).await
    }
}
