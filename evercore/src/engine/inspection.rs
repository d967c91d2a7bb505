//! What is stored, shown as it is: for [`EventStore::verify`](crate::EventStore::verify).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{CommitId, EventFilter, Fingerprint, NaturalKey, RecordedEvent, Result};

/// Shows what is stored, whether or not it can be right.
///
/// Reads only. Each page is of one moment, and that moment is over when the page is there: no view stays open between
/// pages. A later page may show what was written since, and never less than an earlier one of what is only ever added.
///
/// What cannot be read becomes part of the page. An error says that the page itself could not be had.
#[async_trait]
pub trait Inspection: std::fmt::Debug + Send + Sync {
    /// Aggregates in the order of their ids, each with its snapshot; snapshots without an aggregate among them.
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>>;

    /// Events in the order of their [places](EventPlaced), and whatever their aggregate is.
    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>>;

    /// Where events are, in the order of their positions, then of their aggregates and sequences.
    async fn positions(&self, after: Option<EventPlaced>, limit: u32) -> Result<Vec<EventPlaced>>;

    /// The natural keys of a type in the order of their bytes, each once, with the number of those who hold it.
    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>>;

    /// Commits in the order of their ids.
    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>>;

    /// Subscriptions with all their partitions, in the order of their names' bytes. The limit counts subscriptions.
    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>>;

    /// Parked events in the order of their subscriptions and positions.
    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>>;

    /// The last numbers that were given out.
    async fn last_given(&self) -> Result<LastGiven>;
}

/// An aggregate, or a snapshot that lacks one.
#[derive(Debug)]
pub struct InspectedAggregate {
    /// The id.
    pub id: i64,
    /// `None` if only a snapshot has this id.
    pub aggregate: Option<InspectedColumns>,
    /// The snapshot, of whatever shape.
    pub snapshot: Option<InspectedSnapshot>,
}

/// What is said of an aggregate.
#[derive(Debug)]
pub struct InspectedColumns {
    /// The stored name of its type; `None` if its number stands for none.
    pub aggregate_type: Option<Arc<str>>,
    /// Its natural key, or why it can be none.
    pub key: Option<Result<NaturalKey>>,
}

/// A snapshot.
#[derive(Clone, Debug)]
pub struct InspectedSnapshot {
    /// The last event that it contains.
    pub sequence: i64,
    /// The shape of the state.
    pub fingerprint: Fingerprint,
    /// The encoded state.
    pub state: Bytes,
}

/// Which events to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectEvents {
    /// Only events after this place.
    pub after: EventPlaced,
    /// Only events of aggregates with this id or a lower one.
    pub up_to: i64,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// Where a row says that its event is: in which aggregate, with which sequence, and where in the log. In this order, it is
/// how events of aggregates follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPlaced {
    /// The id of the aggregate.
    pub aggregate_id: i64,
    /// The number within the aggregate.
    pub sequence: i64,
    /// The place in the global log.
    pub position: i64,
}

impl EventPlaced {
    /// After all events of aggregates with this id or a lower one.
    #[must_use]
    pub const fn after_all_of(aggregate_id: i64) -> Self {
        Self { aggregate_id, sequence: i64::MAX, position: i64::MAX }
    }
}

/// A row of the log.
#[derive(Debug)]
pub struct InspectedEvent {
    /// Where it is.
    pub place: EventPlaced,
    /// Whether there is an aggregate with its aggregate's id.
    pub has_aggregate: bool,
    /// The event, or why the row can be none.
    pub event: Result<RecordedEvent>,
}

/// A natural key and those who hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedKey {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// How many aggregates of the type hold it.
    pub holders: u64,
    /// The lowest id among them.
    pub first: i64,
    /// The highest id among them.
    pub last: i64,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedCommit {
    /// Its id.
    pub id: CommitId,
    /// Whether it has landed; if not, it was given up.
    pub landed: bool,
    /// The position of its first event.
    pub first: Option<InspectedPosition>,
    /// The position of its last event.
    pub last: Option<InspectedPosition>,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
}

/// A position that something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectedPosition {
    /// The position.
    pub position: i64,
    /// Whether there is an event at it.
    pub is_there: bool,
}

/// A subscription.
#[derive(Debug)]
pub struct InspectedSubscription {
    /// Its name.
    pub name: String,
    /// What it follows, or why that cannot be read.
    pub filter: Result<EventFilter>,
    /// How many partitions it is to have.
    pub partitions: i64,
    /// Those that it has, in the order of their numbers.
    pub found: Vec<InspectedPartition>,
    /// The position of the last event, as of the moment of the cursors.
    pub head: i64,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedPartition {
    /// Its number, from 0.
    pub number: i64,
    /// Everything up to here is handled.
    pub cursor: i64,
    /// The token of the last lease.
    pub token: i64,
    /// Who holds the lease.
    pub owner: Option<String>,
    /// Whether the lease has an end.
    pub has_end: bool,
}

/// A parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedParked {
    /// By which subscription.
    pub subscription: String,
    /// The position of the event.
    pub position: i64,
    /// The aggregate of the event.
    pub aggregate_id: i64,
    /// Whether there is an event of that aggregate at that position.
    pub is_there: bool,
    /// The cursor of the partition that the aggregate belongs to; `None` if there is none.
    pub cursor: Option<i64>,
}

/// The last numbers that were given out. No lower number is given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGiven {
    /// The position of an event.
    pub position: i64,
    /// The id of an aggregate.
    pub aggregate_id: i64,
    /// The token of a lease.
    pub token: i64,
}
