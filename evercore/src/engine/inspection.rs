//! Shows the stored rows as they are, for [`EventStore::verify`](crate::EventStore::verify).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    AggregateId, CommitId, EventFilter, Fingerprint, NaturalKey, RecordedEvent, Result, Tags,
};

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

    /// Reads events in the order of their [places](EventKey), of any aggregate.
    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>>;

    /// Reads the places of events, in the order of their positions, then of their aggregates and sequences.
    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>>;

    /// Reads the rows of the index of tags in their order. Empty for an engine that has no such rows.
    async fn tag_index(&self, after: Option<TagKey>, limit: u32) -> Result<Vec<InspectedTag>> {
        let _ = (after, limit);
        Ok(Vec::new())
    }

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
#[non_exhaustive]
pub struct InspectedAggregate {
    /// The id.
    pub id: i64,
    /// The columns of its row; `None` if only a snapshot has this id.
    pub aggregate: Option<InspectedColumns>,
    /// The snapshot, with a state of any shape.
    pub snapshot: Option<InspectedSnapshot>,
}

impl InspectedAggregate {
    /// Makes a row.
    #[must_use]
    pub const fn new(
        id: i64,
        aggregate: Option<InspectedColumns>,
        snapshot: Option<InspectedSnapshot>,
    ) -> Self {
        Self { id, aggregate, snapshot }
    }
}

/// The columns of an aggregate's row.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedColumns {
    /// The stored name of its type; `None` if no type has the number that is stored.
    pub aggregate_type: Option<Arc<str>>,
    /// Its natural key, or the error that makes it invalid.
    pub key: Option<Result<NaturalKey>>,
}

impl InspectedColumns {
    /// Makes the columns of a row.
    #[must_use]
    pub const fn new(aggregate_type: Option<Arc<str>>, key: Option<Result<NaturalKey>>) -> Self {
        Self { aggregate_type, key }
    }
}

/// A stored snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InspectedSnapshot {
    /// The sequence of the last event that it contains.
    pub sequence: i64,
    /// The fingerprint of the state's shape.
    pub fingerprint: Fingerprint,
    /// The encoded state.
    pub state: Bytes,
}

impl InspectedSnapshot {
    /// Makes a snapshot.
    #[must_use]
    pub const fn new(sequence: i64, fingerprint: Fingerprint, state: Bytes) -> Self {
        Self { sequence, fingerprint, state }
    }
}

/// The events to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectEvents {
    /// Only events after this place.
    pub after: EventKey,
    /// Only events of aggregates with this id or a lower one.
    pub up_to: i64,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The place of an event by its row: its aggregate, its sequence, and its position in the log. Compared in this order,
/// so that sorting puts events by aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// The id of the aggregate.
    pub aggregate_id: i64,
    /// The number within the aggregate.
    pub sequence: i64,
    /// The place in the global log.
    pub position: i64,
}

impl EventKey {
    /// Makes a place after all events of aggregates with this id or a lower one.
    #[must_use]
    pub const fn after_all_of(aggregate_id: i64) -> Self {
        Self { aggregate_id, sequence: i64::MAX, position: i64::MAX }
    }
}

/// A row of the log.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedEvent {
    /// The place of the event.
    pub place: EventKey,
    /// Whether its aggregate exists.
    pub has_aggregate: bool,
    /// The event, or the error that makes the row invalid.
    pub event: Result<RecordedEvent>,
    /// Those of its tags for which the index has no row with its type and position.
    pub unindexed: Vec<String>,
}

impl InspectedEvent {
    /// Makes a row whose tags are all in the index.
    #[must_use]
    pub const fn new(place: EventKey, has_aggregate: bool, event: Result<RecordedEvent>) -> Self {
        Self { place, has_aggregate, event, unindexed: Vec::new() }
    }
}

/// The columns of a row of the index of tags, in the order in which rows are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagKey {
    /// The [number](crate::boundary::Tag::index) of the tag.
    pub tag: i64,
    /// The number of the event type.
    pub event_type: i64,
    /// The position of the event.
    pub position: i64,
}

/// A row of the index of tags.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedTag {
    /// Its columns.
    pub key: TagKey,
    /// The event at its position; `None` if there is none.
    pub event: Option<InspectedTagged>,
}

impl InspectedTag {
    /// Makes a row.
    #[must_use]
    pub const fn new(key: TagKey, event: Option<InspectedTagged>) -> Self {
        Self { key, event }
    }
}

/// The columns of an event that a row of the index of tags must agree with.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedTagged {
    /// The number of its type.
    pub event_type: i64,
    /// Its tags, or the error that makes them invalid.
    pub tags: Result<Tags>,
}

impl InspectedTagged {
    /// Makes the columns.
    #[must_use]
    pub const fn new(event_type: i64, tags: Result<Tags>) -> Self {
        Self { event_type, tags }
    }
}

/// A natural key and its holders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl InspectedKey {
    /// Makes a key.
    #[must_use]
    pub const fn new(key: Vec<u8>, holders: u64, first: i64, last: i64) -> Self {
        Self { key, holders, first, last }
    }
}

/// The record of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl InspectedCommit {
    /// Makes the record of a commit without events and without an idempotency key.
    #[must_use]
    pub const fn new(id: CommitId, landed: bool) -> Self {
        Self { id, landed, first: None, last: None, idempotency_key: None }
    }
}

/// A position that something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedPosition {
    /// The position.
    pub position: i64,
    /// Whether an event has this position.
    pub is_there: bool,
}

impl InspectedPosition {
    /// Makes a position.
    #[must_use]
    pub const fn new(position: i64, is_there: bool) -> Self {
        Self { position, is_there }
    }
}

/// A stored subscription.
#[derive(Debug)]
#[non_exhaustive]
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

impl InspectedSubscription {
    /// Makes a subscription of which no partition is stored.
    #[must_use]
    pub const fn new(
        name: String,
        filter: Result<EventFilter>,
        partitions: i64,
        head: i64,
    ) -> Self {
        Self { name, filter, partitions, head, found: Vec::new() }
    }
}

/// A stored partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl InspectedPartition {
    /// Makes a partition without a lease.
    #[must_use]
    pub const fn new(number: i64, cursor: i64, token: i64) -> Self {
        Self { number, cursor, token, owner: None, has_end: false }
    }
}

/// A parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedParked {
    /// The name of the subscription.
    pub subscription: String,
    /// The position of the event.
    pub position: i64,
    /// The lane of the event.
    pub lane: i64,
    /// Whether an event of that lane has that position.
    pub is_there: bool,
    /// The cursor of the partition that the lane belongs to; `None` if there is none.
    pub cursor: Option<i64>,
}

impl InspectedParked {
    /// Makes a parked event that is not in the log, of a partition that is not stored.
    #[must_use]
    pub const fn new(subscription: String, position: i64, lane: i64) -> Self {
        Self { subscription, position, lane, is_there: false, cursor: None }
    }

    /// Returns whether an event of this aggregate and with these tags is in the lane, or was parked in that of its
    /// aggregate because it had no other.
    #[must_use]
    pub fn has_lane_of(&self, filter: &EventFilter, aggregate_id: i64, tags: &Tags) -> bool {
        let has_lane = |id| filter.lane_of(id, tags).get() == self.lane;
        self.lane == aggregate_id || AggregateId::new(aggregate_id).is_ok_and(has_lane)
    }
}

/// The last numbers that were given out. No lower number is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastGiven {
    /// The last position of an event.
    pub position: i64,
    /// The last id of an aggregate.
    pub aggregate_id: i64,
    /// The last token of a lease.
    pub token: i64,
}

impl LastGiven {
    /// Makes the last numbers.
    #[must_use]
    pub const fn new(position: i64, aggregate_id: i64, token: i64) -> Self {
        Self { position, aggregate_id, token }
    }
}
