//! The contract that a storage engine keeps. For authors of engines.
//!
//! Run the suite of `evercore-testing` against an engine: what these docs say, it asserts.

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
use crate::Error;
use crate::{
    AggregateId, CommitId, Fingerprint, IdempotencyKey, NaturalKey, Position, RecordedEvent,
    Result, Sequence,
};

pub use crate::recorded::EventRow;
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
/// [`EventStore::engine`](crate::EventStore::engine) gives it back as what it is: `(store.engine() as &dyn Any)`
/// downcasts.
///
/// Every method may be called from many tasks at once, and its future may be dropped at any point: a dropped
/// [`commit`](Self::commit) lands whole or not at all, anything else leaves no trace.
#[async_trait]
pub trait StorageEngine: Reader + SubscriptionStorage + Any {
    /// Brings the schema up to what this engine needs. Safe to call again, and from several processes at once.
    async fn migrate(&self) -> Result<()>;

    /// The schema's migrations as SQL that can be run by other means; empty for an engine without a schema.
    fn migrations(&self) -> Vec<Migration>;

    /// Opens what would otherwise be opened at first use, and stores these names.
    async fn warmup(&self, types: &[TypeName]) -> Result<()>;

    /// The names of all aggregate types that are stored, as of now, in no particular order.
    async fn aggregate_types(&self) -> Result<Vec<Arc<str>>>;

    /// Reserves `count` ids for aggregates. They are never given again, used or not.
    async fn reserve_ids(&self, count: u32) -> Result<IdBlock>;

    /// Lands a commit whole, durably, or not at all.
    ///
    /// Commits that wait at the same time may share a transaction; each still succeeds or fails alone. A commit that
    /// has landed already answers again what it answered.
    ///
    /// # Errors
    /// - [`Error::IdempotencyKeyUsed`] if another commit with its key has landed, whatever else stands in its way.
    /// - [`Error::Conflict`] if a [`Precondition`] does not hold.
    /// - [`Error::UnknownId`] or [`Error::WrongAggregateType`] for an aggregate that is to exist and does not.
    /// - [`Error::KeyTaken`] if a key belongs to another aggregate of the type.
    /// - [`Error::given_up`] if [`find_commit`](Self::find_commit) has said that it never lands.
    /// - [`Error::OutcomeUnknown`] if it may have landed; any other error says that it has not and never will.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Finds out about a commit whose answer was lost. After [`CommitOutcome::NeverLands`] it never lands, even if it
    /// was still on its way.
    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome>;

    /// The commit that has landed with an idempotency key, if one has.
    async fn find_first(&self, key: &IdempotencyKey) -> Result<Option<FirstOutcome>>;

    /// Watches the log: told after each commit of this process, and of others as far as the engine hears of them.
    /// Called within a tokio runtime, that of the engine.
    fn watch_log(&self) -> LogWatch;

    /// Opens a view of the log as it is now. Later commits do not show in it. Dropping it releases what it holds.
    async fn begin_read(&self) -> Result<Box<dyn Reader>>;

    /// Shows what is stored, whether or not it can be right.
    fn inspection(&self) -> &dyn Inspection;

    /// Finishes what is under way and releases everything. Later calls answer [`Error::Closed`].
    async fn close(&self) -> Result<()>;
}

/// Reads aggregates and the log.
#[async_trait]
pub trait Reader: std::fmt::Debug + Send + Sync + 'static {
    /// An aggregate with its snapshot and the first page of the events after it, as of one moment, in one round trip.
    /// `None` if there is no such aggregate. An aggregate of another type comes back with its type and without events.
    async fn load(&self, request: LoadRequest) -> Result<Option<LoadedAggregate>>;

    /// Events of one aggregate, in sequence order. Empty if there is no such aggregate.
    async fn read_history(&self, request: HistoryRequest) -> Result<Vec<RecordedEvent>>;

    /// A page of the global log, in position order. Never holds a position beyond which an earlier one can still
    /// appear.
    async fn read_log(&self, request: LogRequest) -> Result<LogPage>;
}

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// The type that the aggregate should have.
    pub aggregate_type: &'static str,
    /// Which aggregate.
    pub target: Target,
    /// The shape of snapshot that can be used; `None` for a full replay.
    pub snapshot: Option<Fingerprint>,
    /// Nothing after this sequence, neither snapshot nor events.
    pub up_to: Option<Sequence>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// Which aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one with this id.
    Id(AggregateId),
    /// The one with this natural key, among the requested type's.
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
    /// The events after the snapshot, or from the first. If there are as many as the request's limit, there may be
    /// more.
    pub events: Vec<RecordedEvent>,
}

/// A snapshot as stored.
#[derive(Clone, Debug)]
pub struct StoredSnapshot {
    /// The last event that it contains.
    pub sequence: Sequence,
    /// The encoded state.
    pub state: bytes::Bytes,
}

/// Which events of an aggregate to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The aggregate.
    pub id: AggregateId,
    /// Only events after this sequence.
    pub after: Sequence,
    /// Nothing after this sequence.
    pub up_to: Option<Sequence>,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// Which part of the global log to read.
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
    /// Up to `limit` events after a position, whatever they belong to.
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
    /// Where the next page starts: the position of the last event, or that of the request if there is none. It never
    /// moves past what was not read: a position that was drawn and not committed may be drawn again after a crash.
    pub end: Position,
    /// Whether this page reached the end of the log as it is now.
    pub at_end: bool,
}

/// The stored name of an aggregate type, or of one of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeName {
    /// The aggregate type's.
    pub aggregate: &'static str,
    /// The event type's.
    pub event: Option<&'static str>,
}

/// Ids that were reserved together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdBlock {
    /// The first of them.
    pub first: AggregateId,
    /// How many there are; they follow each other.
    pub count: u32,
}

/// One step of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// What it does, in words.
    pub description: String,
    /// The SQL.
    pub sql: String,
}
