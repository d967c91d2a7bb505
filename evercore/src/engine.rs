//! Defines the contract between the core and its storage engines. For authors of engines.
//!
//! The contract may change with every minor version until 1.0. Structs that an engine builds have constructors and may
//! get fields, so that older engines still compile. Structs and enums that an engine is given are to be taken apart
//! whole, so that it does not overlook a field or a variant that is new.
//!
//! Run the conformance suite of `evercore-conformance` against an engine: it asserts what these docs promise.

mod backoff;
mod boundary;
mod capabilities;
mod command_log;
pub(crate) mod commit;
mod declarations;
mod forward;
mod inspection;
pub(crate) mod log_query;
mod log_signal;
pub(crate) mod migration;
mod observer_slot;
mod patience;
mod positions;
mod runtime;
mod scheme;
mod subscriptions;
mod tagging;
mod tasks;
mod transactor;
mod unique;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::observer::Observer;
use crate::{CommitOutcome, Committed, LogPage, Migration};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::{
    AggregateId, CommitId, Error, Fingerprint, IdempotencyKey, NaturalKey, Position, RecordedEvent,
    Result, Sequence, Tag,
};

pub use crate::recorded::EventRow;
pub use backoff::Backoff;
pub(crate) use backoff::LONGEST_WAIT;
pub use boundary::{Condition, StoredEvent, TagAtom, TagPage, TagQuery, TagRequest};
pub(crate) use capabilities::require;
pub use capabilities::{Capabilities, Capability};
pub use command_log::{CommandLogStorage, CommandOutcome, CommandsRequest, StoredCommand};
pub use commit::{
    AggregateWrite, Claim, Commit, Completion, Idempotency, IdempotentOutcome, KeyChange, NewEvent,
    NewSnapshot, Precondition,
};
pub use declarations::Declarations;
pub use forward::Forward;
pub use inspection::{
    EventKey, InspectEvents, InspectedAggregate, InspectedColumns, InspectedCommit, InspectedEvent,
    InspectedKey, InspectedParked, InspectedPartition, InspectedPosition, InspectedSnapshot,
    InspectedSubscription, InspectedTag, InspectedTagged, Inspection, LastGiven, TagKey,
};
pub use log_query::LogQuery;
pub use log_signal::{LogSignal, LogWatch};
pub use observer_slot::ObserverSlot;
pub use patience::{Elapsed, sleep, timeout};
pub use positions::Positions;
pub use runtime::EngineRuntime;
pub(crate) use runtime::in_runtime;
pub(crate) use scheme::connect;
pub use scheme::{ConnectFuture, EngineScheme};
pub use subscriptions::{
    AcquireRequest, Acquired, Beat, Control, CursorMove, Detail, DiscardedRequest, Grant,
    Heartbeat, IfDifferent, Lane, LeaseKey, LeaseStatus, NewSubscription, NewlyParked,
    ParkedRequest, Registered, Settled, Settlement, StoredLease, StoredPartition,
    StoredSubscription, SubscriptionStorage, WhichParked,
};
pub use tagging::{RetaggedEvent, StoredTag, TagBatch, TagDeclaration, TagState, TagStorage};
pub use tasks::{
    ClaimRequest, Controlled, Due, FailedAttempt, NewTask, QueueControl, StoredPlace, StoredQueue,
    StoredTask, StoredTasks, TaskChange, TaskClaim, TaskLease, TaskPlace, TaskReturn, TaskStorage,
    TasksRequest, WhichTasks,
};
pub(crate) use transactor::within;
pub use transactor::{Transaction, Transactor};
pub use unique::{StoredUnique, UniqueChange, UniqueName, UniqueStep};

/// Stores commits and reads them back.
///
/// To get at the methods of one engine, downcast what [`EventStore::engine`](crate::EventStore::engine) returns:
/// `(store.engine() as &dyn Any)`.
///
/// Every method may be called from many tasks at once, and its future may be dropped at any point: a dropped
/// [`commit`](Self::commit) is stored whole or not at all, and any other dropped call leaves no trace.
#[async_trait]
pub trait StorageEngine: Reader + SubscriptionStorage + TagStorage + Any {
    /// Returns the name of the kind of engine, for messages: `postgres`.
    fn name(&self) -> &'static str;

    /// Returns what the engine can do beyond the base of the contract. The answer never changes. What is not declared
    /// is never called.
    fn capabilities(&self) -> Capabilities;

    /// Reports to an observer from now on, for example the sizes of groups of commits. An engine may report nothing.
    fn observe(&self, observer: Arc<dyn Observer>) {
        drop(observer);
    }

    /// Migrates the schema to the version that this engine needs. Safe to call again, and from several processes at
    /// once.
    async fn migrate(&self) -> Result<()>;

    /// Returns the schema's migrations as SQL that can be run by other means; empty for an engine without a schema.
    fn migrations(&self) -> Vec<Migration>;

    /// Opens in advance the connections that would otherwise be opened at first use, and stores these names.
    async fn warmup(&self, types: &[TypeName]) -> Result<()>;

    /// Returns the names of all aggregate types that are stored now, in no particular order.
    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>>;

    /// Reserves `count` ids for aggregates. They are never reserved again, whether they are used or not.
    async fn reserve_ids(&self, count: u32) -> Result<IdBlock>;

    /// Stores a commit atomically and durably.
    ///
    /// Commits that wait at the same time may share a transaction; each still succeeds or fails alone. A commit that is
    /// stored already returns the same answer as before.
    ///
    /// # Errors
    /// - [`Error::IdempotencyKeyUsed`] if another commit with its key is stored. This goes before every other error.
    /// - [`Error::Conflict`] if a [`Precondition`] does not hold.
    /// - [`Error::BoundaryConflict`] if a [`Condition`] does not hold; after the errors about preconditions, and before those
    ///   about keys and values, which a decision on the new state may not take.
    /// - [`Error::UnknownId`] or [`Error::WrongAggregateType`] if an aggregate that must exist does not, or is of
    ///   another type.
    /// - [`Error::KeyTaken`] if a key belongs to another aggregate of the type.
    /// - [`Error::DeclarationsChanged`] if [`Commit::declared`] is not the version of the declarations that is stored, on
    ///   an engine with [`Capability::Tags`] or [`Capability::UniqueValues`].
    /// - [`Error::ValueTaken`] if a claimed value belongs to another aggregate of the type and is not released in the same
    ///   commit; after the errors about preconditions and keys.
    /// - [`Error::given_up`] if [`find_commit`](Self::find_commit) has answered that it never lands.
    /// - [`Error::OutcomeUnknown`] if it may have been stored. Any other error says that it was not and never will be.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Finds out whether a commit whose answer was lost is stored. Once the answer is [`CommitOutcome::NeverLands`],
    /// the engine refuses that commit for good, even if it was still on its way.
    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome>;

    /// Finds the commit that is stored with an idempotency key.
    async fn find_by_idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotentOutcome>>;

    /// Returns the declarations of all programs and their version, as of one moment. Only called if the engine declares
    /// [`Capability::Tags`] or [`Capability::UniqueValues`].
    async fn declarations(&self) -> Result<Declarations>;

    /// Stores names of unique values that are not stored yet, and a new [version](Declarations::version), in one step.
    /// Writes nothing if all are stored.
    ///
    /// A new name is complete if no aggregate of its type is stored, and none can be by a commit that names an older
    /// version. Otherwise, values are claimed later: see [`begin_claiming`](Self::begin_claiming).
    async fn declare_unique(&self, names: &[UniqueName]) -> Result<()>;

    /// Waits until every commit has ended that may have named a version from before the names that are stored now. What
    /// is read afterwards holds each aggregate that was ever changed without claiming the values of these names.
    async fn begin_claiming(&self) -> Result<()>;

    /// Records that the values with these names are claimed of all aggregates up to an id, or of all there are.
    async fn record_claimed(
        &self,
        names: &[UniqueName],
        up_to: i64,
        is_complete: bool,
    ) -> Result<()>;

    /// Watches the log. The watch is notified after each commit of this process, and of other processes as far as the
    /// engine learns of them. Called within a tokio runtime, that of the engine.
    fn watch_log(&self) -> LogWatch;

    /// Opens a view of the log as it is now. Later commits do not show in it. Dropping the view releases its resources.
    async fn begin_read(&self) -> Result<Box<dyn Reader>>;

    /// Returns an inspection, which reads the stored rows as they are, valid or not.
    fn inspection(&self) -> &dyn Inspection;

    /// Returns the storage of tasks; `None` if the engine does not declare [`Capability::Tasks`].
    fn tasks(&self) -> Option<&dyn TaskStorage>;

    /// Returns the storage of the command log; `None` if the engine does not declare [`Capability::CommandLog`].
    fn command_log(&self) -> Option<&dyn CommandLogStorage>;

    /// Finishes the calls in progress and releases all resources. Later calls return [`Error::Closed`].
    async fn close(&self) -> Result<()>;
}

/// Reads aggregates and the log.
#[async_trait]
pub trait Reader: std::fmt::Debug + Send + Sync + 'static {
    /// Loads an aggregate with its snapshot and the first page of the events after it, all as of one moment and in one
    /// round trip. `None` if there is no such aggregate. An aggregate of another type is returned with its type and
    /// without events.
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>>;

    /// Loads several aggregates, each as [`load`](Self::load) does, and returns them in the order of the requests. Each is
    /// as of a moment of its own, unless the reader is a view. An engine that cannot load them together loads one after
    /// another.
    async fn load_all(&self, requests: Vec<LoadRequest>) -> Result<Vec<Option<LoadedAggregate>>> {
        let mut loaded = Vec::with_capacity(requests.len());
        for request in requests {
            loaded.push(self.load(request).await?);
        }
        Ok(loaded)
    }

    /// Reads events of one aggregate, in sequence order. Empty if there is no such aggregate.
    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>>;

    /// Reads a page of the events that match a query, in position order. The page never holds a position before which
    /// another event can still appear.
    ///
    /// With a filter or a partition, the engine looks at a bounded number of events, so a page can be short, or even
    /// empty, without being the last.
    async fn read_log(&self, query: LogQuery) -> Result<LogPage>;

    /// Reads events by their tags, for each request one page, in the order of the requests. Unlike
    /// [`read_log`](Self::read_log), it reads all events that are visible, also those beyond the frontier.
    ///
    /// All pages are as of one moment, or each of a moment after the frontier that it names was looked up.
    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>>;
}

/// The aggregate to load, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// The type that the aggregate should have.
    pub aggregate_type: &'static str,
    /// The aggregate.
    pub target: LoadTarget,
    /// The fingerprint of the snapshots that can be used; `None` for a full replay.
    pub snapshot: Option<Fingerprint>,
    /// The last sequence to load: neither the snapshot nor the events go beyond it.
    pub up_to: Option<Sequence>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The aggregate to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadTarget {
    /// The aggregate with this id.
    Id(AggregateId),
    /// The aggregate of the requested type with this natural key.
    Key(NaturalKey),
    /// The aggregate of the requested type with this unique value.
    Unique(Tag),
}

/// An aggregate as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadedAggregate {
    /// Its id.
    pub id: AggregateId,
    /// The stored name of its type.
    pub aggregate_type: Arc<str>,
    /// Its natural key.
    pub key: Option<NaturalKey>,
    /// The newest snapshot that fits the request.
    pub snapshot: Option<StoredSnapshot>,
    /// The events after the snapshot, or from the first one. If their number is the request's limit, more may follow.
    pub events: Vec<RecordedEvent>,
}

impl LoadedAggregate {
    /// Makes an aggregate without a key, a snapshot or events.
    #[must_use]
    pub const fn new(id: AggregateId, aggregate_type: Arc<str>) -> Self {
        Self { id, aggregate_type, key: None, snapshot: None, events: Vec::new() }
    }
}

/// A snapshot as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredSnapshot {
    /// The sequence of the last event that it contains.
    pub sequence: Sequence,
    /// The encoded state.
    pub state: bytes::Bytes,
}

impl StoredSnapshot {
    /// Makes a snapshot.
    #[must_use]
    pub const fn new(sequence: Sequence, state: bytes::Bytes) -> Self {
        Self { sequence, state }
    }
}

/// The events of an aggregate to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The aggregate's id.
    pub id: AggregateId,
    /// Only events after this sequence.
    pub after: Sequence,
    /// The last sequence to read.
    pub up_to: Option<Sequence>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The stored name of an aggregate type, or of one of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeName {
    /// The name of the aggregate type.
    pub aggregate: &'static str,
    /// The name of the event type; `None` for the name of the aggregate type alone.
    pub event: Option<&'static str>,
}

/// Ids that were reserved together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdBlock {
    /// The first of them.
    pub first: AggregateId,
    /// The number of ids; they are consecutive.
    pub count: u32,
}

impl IdBlock {
    /// Makes a block of consecutive ids.
    #[must_use]
    pub const fn new(first: AggregateId, count: u32) -> Self {
        Self { first, count }
    }
}
