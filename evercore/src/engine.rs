//! Defines the contract between the core and its storage engines. For authors of engines.
//!
//! Run the conformance suite of `evercore-conformance` against an engine: it asserts what these docs promise.

mod backoff;
mod commit;
mod inspection;
mod log_signal;
mod patience;
mod runtime;
mod scheme;
mod subscriptions;
mod transactor;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

#[expect(unused_imports, reason = "the docs link to it")]
use crate::{
    AggregateId, CommitId, Error, Fingerprint, IdempotencyKey, NaturalKey, Position, RecordedEvent,
    Result, Sequence,
};

pub use crate::recorded::EventRow;
pub use backoff::Backoff;
pub(crate) use backoff::LONGEST_WAIT;
pub use commit::{
    AggregateWrite, Commit, CommitOutcome, Committed, FirstOutcome, Idempotency, KeyChange,
    NewEvent, NewSnapshot, Precondition,
};
pub use inspection::{
    EventPlaced, InspectEvents, InspectedAggregate, InspectedColumns, InspectedCommit,
    InspectedEvent, InspectedKey, InspectedParked, InspectedPartition, InspectedPosition,
    InspectedSnapshot, InspectedSubscription, Inspection, LastGiven,
};
pub use log_signal::{LogSignal, LogWatch};
pub use patience::{Elapsed, sleep, timeout};
pub use runtime::EngineRuntime;
pub(crate) use runtime::in_runtime;
pub(crate) use scheme::connect;
pub use scheme::{ConnectFuture, EngineScheme};
pub use subscriptions::{
    AcquireRequest, Acquired, Beat, Control, CursorMove, DiscardedRequest, Grant, Heartbeat,
    IfDifferent, LeaseKey, LeaseStatus, MatchRequest, NewSubscription, NewlyParked, ParkedRequest,
    Settled, Settlement, StoredLease, StoredPartition, StoredSubscription, SubscriptionStorage,
    WhichParked,
};
pub use transactor::{Transaction, Transactor};

/// Stores commits and reads them back.
///
/// To get at the methods of one engine, downcast what [`EventStore::engine`](crate::EventStore::engine) returns:
/// `(store.engine() as &dyn Any)`.
///
/// Every method may be called from many tasks at once, and its future may be dropped at any point: a dropped
/// [`commit`](Self::commit) is stored whole or not at all, and any other dropped call leaves no trace.
#[async_trait]
pub trait StorageEngine: Reader + SubscriptionStorage + Any {
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
    /// - [`Error::UnknownId`] or [`Error::WrongAggregateType`] if an aggregate that must exist does not, or is of
    ///   another type.
    /// - [`Error::KeyTaken`] if a key belongs to another aggregate of the type.
    /// - [`Error::given_up`] if [`find_commit`](Self::find_commit) has answered that it never lands.
    /// - [`Error::OutcomeUnknown`] if it may have been stored. Any other error says that it was not and never will be.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Finds out whether a commit whose answer was lost is stored. Once the answer is [`CommitOutcome::NeverLands`],
    /// the engine refuses that commit for good, even if it was still on its way.
    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome>;

    /// Finds the commit that is stored with an idempotency key.
    async fn find_first(&self, key: &IdempotencyKey) -> Result<Option<FirstOutcome>>;

    /// Watches the log. The watch is notified after each commit of this process, and of other processes as far as the
    /// engine learns of them. Called within a tokio runtime, that of the engine.
    fn watch_log(&self) -> LogWatch;

    /// Opens a view of the log as it is now. Later commits do not show in it. Dropping the view releases its resources.
    async fn begin_read(&self) -> Result<Box<dyn Reader>>;

    /// Returns an inspection, which reads the stored rows as they are, valid or not.
    fn inspection(&self) -> &dyn Inspection;

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

    /// Reads events of one aggregate, in sequence order. Empty if there is no such aggregate.
    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>>;

    /// Reads a page of the global log, in position order. The page never holds a position before which another event
    /// can still appear.
    async fn read_log(&self, request: LogRequest) -> Result<LogPage>;
}

/// The aggregate to load, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// The type that the aggregate should have.
    pub aggregate_type: &'static str,
    /// The aggregate.
    pub target: Target,
    /// The fingerprint of the snapshots that can be used; `None` for a full replay.
    pub snapshot: Option<Fingerprint>,
    /// The last sequence to load: neither the snapshot nor the events go beyond it.
    pub up_to: Option<Sequence>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The aggregate with this id.
    Id(AggregateId),
    /// The aggregate of the requested type with this natural key.
    Key(NaturalKey),
}

/// An aggregate as stored.
#[derive(Clone, Debug)]
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

/// A snapshot as stored.
#[derive(Clone, Debug)]
pub struct StoredSnapshot {
    /// The sequence of the last event that it contains.
    pub sequence: Sequence,
    /// The encoded state.
    pub state: bytes::Bytes,
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

/// The part of the global log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// Only events with this correlation id.
    pub correlation: Option<Arc<str>>,
}

impl LogRequest {
    /// Makes a request for up to `limit` events after a position, of any correlation.
    #[must_use]
    pub const fn new(after: Position, limit: u32) -> Self {
        Self { after, limit, correlation: None }
    }
}

/// A page of the global log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPage {
    /// The events, in position order.
    pub events: Vec<RecordedEvent>,
    /// The position after which the next page starts: that of the last event, or that of the request if there is none.
    /// It never moves past positions that were not read: a position that was drawn and not committed may be drawn again
    /// after a crash.
    pub end: Position,
    /// Whether this page reaches the end of the log as it is now.
    pub at_end: bool,
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
pub struct IdBlock {
    /// The first of them.
    pub first: AggregateId,
    /// The number of ids; they are consecutive.
    pub count: u32,
}

/// A migration of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// A description of what it does.
    pub description: String,
    /// The SQL.
    pub sql: String,
}
