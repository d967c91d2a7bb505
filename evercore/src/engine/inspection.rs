//! Shows the stored rows as they are, for [`EventStore::verify`](crate::EventStore::verify).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{CommitId, EventFilter, Fingerprint, NaturalKey, RecordedEvent, Result};

/// Shows the stored rows as they are, valid or not.
///
/// An inspection only reads. Each page is as of one moment, and no view stays open between pages. A later page may show
/// rows that were written since, and shows at least as much as an earlier one of rows that are only ever added.
///
/// A row that cannot be read is part of the page. An error says that the page as a whole cannot be read.
#[async_trait]
pub trait Inspection: std::fmt::Debug + Send + Sync {
    /// Reads aggregates in the order of their ids, each with its snapshot, including snapshots that lack an aggregate.
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>>;

    /// Reads events in the order of their [places](EventPlaced), of any aggregate.
    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>>;

    /// Reads the places of events, in the order of their positions, then of their aggregates and sequences.
    async fn positions(&self, after: Option<EventPlaced>, limit: u32) -> Result<Vec<EventPlaced>>;

    /// Reads the natural keys of a type in the order of their bytes, each once, with the number of its holders.
    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>>;

    /// Reads commits in the order of their ids.
    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>>;

    /// Reads subscriptions with all their partitions, in the order of their names' bytes. The limit counts
    /// subscriptions.
    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>>;

    /// Reads parked events in the order of their subscriptions and positions.
    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>>;

    /// Reads the last numbers that were given out.
    async fn last_given(&self) -> Result<LastGiven>;
}

/// An aggregate, or a snapshot that lacks one.
#[derive(Debug)]
pub struct InspectedAggregate {
    /// The id.
    pub id: i64,
    /// The columns of its row; `None` if only a snapshot has this id.
    pub aggregate: Option<InspectedColumns>,
    /// The snapshot, with a state of any shape.
    pub snapshot: Option<InspectedSnapshot>,
}

/// The columns of an aggregate's row.
#[derive(Debug)]
pub struct InspectedColumns {
    /// The stored name of its type; `None` if no type has the number that is stored.
    pub aggregate_type: Option<Arc<str>>,
    /// Its natural key, or the error that makes it invalid.
    pub key: Option<Result<NaturalKey>>,
}

/// A stored snapshot.
#[derive(Clone, Debug)]
pub struct InspectedSnapshot {
    /// The sequence of the last event that it contains.
    pub sequence: i64,
    /// The fingerprint of the state's shape.
    pub fingerprint: Fingerprint,
    /// The encoded state.
    pub state: Bytes,
}

/// The events to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectEvents {
    /// Only events after this place.
    pub after: EventPlaced,
    /// Only events of aggregates with this id or a lower one.
    pub up_to: i64,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The place of an event by its row: its aggregate, its sequence, and its position in the log. Compared in this order,
/// so that sorting puts events by aggregate.
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
    /// Makes a place after all events of aggregates with this id or a lower one.
    #[must_use]
    pub const fn after_all_of(aggregate_id: i64) -> Self {
        Self { aggregate_id, sequence: i64::MAX, position: i64::MAX }
    }
}

/// A row of the log.
#[derive(Debug)]
pub struct InspectedEvent {
    /// The place of the event.
    pub place: EventPlaced,
    /// Whether its aggregate exists.
    pub has_aggregate: bool,
    /// The event, or the error that makes the row invalid.
    pub event: Result<RecordedEvent>,
}

/// A natural key and its holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedKey {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The number of aggregates of the type that hold it.
    pub holders: u64,
    /// The lowest id among them.
    pub first: i64,
    /// The highest id among them.
    pub last: i64,
}

/// The record of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedCommit {
    /// Its id.
    pub id: CommitId,
    /// Whether it landed; if not, it was given up.
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
    /// Whether an event has this position.
    pub is_there: bool,
}

/// A stored subscription.
#[derive(Debug)]
pub struct InspectedSubscription {
    /// Its name.
    pub name: String,
    /// Its filter, or the error that makes it unreadable.
    pub filter: Result<EventFilter>,
    /// The number of partitions that it should have.
    pub partitions: i64,
    /// The partitions that are stored, in the order of their numbers.
    pub found: Vec<InspectedPartition>,
    /// The position of the last event, as of the same moment as the cursors.
    pub head: i64,
}

/// A stored partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedPartition {
    /// Its number, from 0.
    pub number: i64,
    /// The position up to which everything is handled.
    pub cursor: i64,
    /// The token of the last lease.
    pub token: i64,
    /// The name of the lease's owner.
    pub owner: Option<String>,
    /// Whether the lease has a time of expiry.
    pub has_end: bool,
}

/// A parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedParked {
    /// The name of the subscription.
    pub subscription: String,
    /// The position of the event.
    pub position: i64,
    /// The aggregate of the event.
    pub aggregate_id: i64,
    /// Whether that aggregate has an event at that position.
    pub is_there: bool,
    /// The cursor of the partition that the aggregate belongs to; `None` if there is none.
    pub cursor: Option<i64>,
}

/// The last numbers that were given out. No lower number is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGiven {
    /// The last position of an event.
    pub position: i64,
    /// The last id of an aggregate.
    pub aggregate_id: i64,
    /// The last token of a lease.
    pub token: i64,
}
