//! Defines the storage of subscriptions: their filters, cursors, leases and parked events.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;
use crate::{
    AggregateId, DiscardedEvent, EventFilter, ParkedEvent, Partition, Position, Result, Start,
    SubscriptionName, Tag,
};

/// Stores subscriptions.
///
/// Leases are measured by the database's clock, never by the caller's. As with [`StorageEngine`](super::StorageEngine),
/// every future may be dropped at any point.
#[async_trait]
pub trait SubscriptionStorage: std::fmt::Debug + Send + Sync + 'static {
    /// Resolves a start to a position, as of now.
    ///
    /// # Errors
    /// [`Error::StartBeyondEnd`] if it lies after the last event.
    async fn resolve_start(&self, start: Start) -> Result<Position>;

    /// Stores a subscription if none has this name. A stored one must have the same filter and number of partitions,
    /// unless [`IfDifferent::Replace`] is given: then both are replaced, and the subscription keeps its cursor. If
    /// anything is replaced, its owners lose their leases.
    ///
    /// # Errors
    /// - [`Error::SubscriptionDiffers`] if the stored subscription differs.
    /// - [`Error::StartBeyondEnd`] if a new subscription starts after the last event.
    /// - [`Error::SubscriptionNotIdle`] if the number of partitions or the [tag of the lanes](EventFilter::lane) is to
    ///   change while a partition is owned, or while their cursors differ; if the tag of the lanes is to change, also
    ///   while events are parked.
    async fn register(&self, subscription: &NewSubscription) -> Result<Registered>;

    /// Returns all subscriptions in the order of their names, or only the one with this name.
    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Result<Vec<StoredSubscription>>;

    /// Acquires the partition with the lowest number that has no owner, or whose owner's lease has ended. A partition
    /// that another worker has asked for ([`ask_for`](Self::ask_for)) is left to that worker.
    ///
    /// # Errors
    /// [`Error::SubscriptionDiffers`] if the stored subscription differs from the one in the request.
    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired>;

    /// Asks the owner of a partition to hand it over: the owner sees [`LeaseStatus::Held::wanted`], and only `by` can
    /// acquire the partition within `patience`. Changes nothing if the lease is not held any more, or if another worker
    /// has asked already.
    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()>;

    /// Looks at the end of the log and at leases, and renews those that are to be renewed, all in one round trip. A
    /// lease that has ended can be renewed as long as no worker has acquired its partition.
    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat>;

    /// Records the outcome of a batch, whole or not at all. If it was recorded before, this returns [`Settled::Before`]
    /// and changes nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if the lease is not held any more, or the stored cursor is not the one that the move starts
    /// from.
    async fn settle(&self, settlement: &Settlement) -> Result<Settled>;

    /// Gives a partition back. Changes nothing if the lease is not held any more.
    async fn release(&self, lease: &LeaseKey) -> Result<()>;

    /// Returns those of these lanes that have parked events.
    async fn parked_lanes(
        &self,
        subscription: &SubscriptionName,
        lanes: &[Lane],
    ) -> Result<Vec<Lane>>;

    /// Reads parked events, in position order.
    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>>;

    /// Reads discarded events, in position order.
    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>>;

    /// Does what an operator requests.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if no subscription has this name.
    /// - [`Error::NotParked`] if the event to redrive or discard is not parked.
    /// - [`Error::ParkedBehind`] if the event to redrive waits for an earlier event of its lane.
    /// - [`Error::StartBeyondEnd`] for a reset to a position after the last event.
    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()>;
}

/// The unit of order within a subscription: the events of a lane belong to one partition, are handled one after another,
/// and park together. Each aggregate is a lane, unless the [filter](EventFilter::lane) says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(i64);

impl Lane {
    /// Makes the lane with this number, as an engine has stored it.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Makes the lane of a tag: its [`index`](Tag::index) without the sign. Two tags may have the same number; they share
    /// a lane then, so that their events wait for each other.
    #[must_use]
    pub fn of_tag(tag: &Tag) -> Self {
        Self::of_value(tag.name(), tag.value())
    }

    /// Makes the lane of a tag with this name and value.
    pub(crate) fn of_value(name: &str, value: &str) -> Self {
        Self(crate::tag::number(&[name, ":", value]) & i64::MAX)
    }

    /// Returns its number, which is not negative.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<AggregateId> for Lane {
    fn from(id: AggregateId) -> Self {
        Self(id.get())
    }
}

/// A subscription to store.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Its name.
    pub name: SubscriptionName,
    /// Its filter.
    pub filter: Arc<EventFilter>,
    /// The number of its partitions, at least 1.
    pub partitions: u32,
    /// The place where it starts, if it is not stored yet.
    pub start: Start,
    /// The reaction to a stored subscription that differs.
    pub if_different: IfDifferent,
}

/// The answer to [`SubscriptionStorage::register`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// No subscription had the name: this one was stored.
    New {
        /// The position after which it starts.
        cursor: Position,
    },
    /// The stored subscription is as wanted. Nothing was written.
    Unchanged,
    /// The stored subscription was another one, and was replaced.
    Replaced,
}

/// The reaction to a stored subscription that differs from the wanted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfDifferent {
    /// Fails with [`Error::SubscriptionDiffers`].
    #[default]
    Refuse,
    /// Replaces what is stored by what is wanted.
    Replace,
}

/// The part of a subscription that [`SubscriptionStorage::subscriptions`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its filter, and the cursors, leases and failures of its partitions. The work does not depend on the number of
    /// events that wait, so it can be read at short intervals.
    Places,
    /// The same, and what waits: the number of its parked events, which the engine may count one by one, and the time
    /// since when each partition has had events to handle.
    Backlog,
}

/// A subscription as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredSubscription {
    /// Its name.
    pub name: SubscriptionName,
    /// Its filter.
    pub filter: EventFilter,
    /// Whether it is paused.
    pub paused: bool,
    /// Its partitions, in their order.
    pub partitions: Vec<StoredPartition>,
    /// The number of its parked events; `None` unless [`Detail::Backlog`] was read.
    pub parked: Option<u64>,
    /// The position of the last event that is stored, as of the same moment as the cursors. It may not be readable yet,
    /// if an earlier position is still being written; [`wait_until_idle`](crate::EventStore::wait_until_idle) waits for
    /// it all the same.
    pub head: Position,
}

impl StoredSubscription {
    /// Makes a subscription that is not paused and has no partitions, and whose parked events are not counted.
    #[must_use]
    pub const fn new(name: SubscriptionName, filter: EventFilter, head: Position) -> Self {
        Self { name, filter, head, paused: false, partitions: Vec::new(), parked: None }
    }
}

impl StoredSubscription {
    /// Returns the position up to which all partitions have handled everything.
    #[must_use]
    pub fn cursor(&self) -> Position {
        self.partitions.iter().map(|place| place.cursor).min().unwrap_or_default()
    }
}

/// A partition as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredPartition {
    /// The position up to which everything is handled.
    pub cursor: Position,
    /// The time when the first visible event after the cursor was recorded; `None` at the end of the log, and unless
    /// [`Detail::Backlog`] was read.
    pub waiting_since: Option<DateTime<Utc>>,
    /// The lease, ended or not; `None` if it was given back.
    pub lease: Option<StoredLease>,
    /// The handler's last failure, unless it has succeeded since.
    pub failure: Option<String>,
}

impl StoredPartition {
    /// Makes a partition at the end of the log, without a lease or a failure.
    #[must_use]
    pub const fn new(cursor: Position) -> Self {
        Self { cursor, waiting_since: None, lease: None, failure: None }
    }
}

/// A lease as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredLease {
    /// Its token, which grows at each take-over.
    pub token: i64,
    /// The name of its owner.
    pub owner: String,
    /// The time when it ends, if it is not renewed.
    pub until: DateTime<Utc>,
    /// Whether it has ended, by the database's clock.
    pub ended: bool,
    /// Whether another worker has asked for the partition.
    pub wanted: bool,
}

impl StoredLease {
    /// Makes a lease that has not ended and that no other worker has asked for.
    #[must_use]
    pub const fn new(token: i64, owner: String, until: DateTime<Utc>) -> Self {
        Self { token, owner, until, ended: false, wanted: false }
    }
}

/// The request of a worker for a partition.
#[derive(Clone, Debug)]
pub struct AcquireRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// The name of the worker that asks: 1 to 255 bytes without a NUL.
    pub owner: String,
    /// The time that the lease lasts without renewal.
    pub lease: Duration,
    /// The filter that the stored subscription must have.
    pub filter: Arc<EventFilter>,
    /// The number of partitions that the stored subscription must have.
    pub partitions: u32,
}

/// The answer to [`SubscriptionStorage::acquire`].
#[derive(Clone, Debug)]
pub enum Acquired {
    /// A stored partition.
    Granted(Grant),
    /// No partition is free. This is the one whose lease ends first.
    Taken {
        /// The name of its owner.
        owner: String,
        /// The time when its lease ends, if it is not renewed.
        until: DateTime<Utc>,
    },
    /// The subscription is paused.
    Paused,
    /// No such subscription is stored.
    Unknown,
}

/// A partition that was acquired.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The lease.
    pub lease: LeaseKey,
    /// The position up to which everything is handled.
    pub cursor: Position,
    /// The share of the lanes that it covers.
    pub partition: Partition,
    /// Whether any of its events is parked.
    pub has_parked: bool,
}

impl Grant {
    /// Makes a grant of a partition without parked events.
    #[must_use]
    pub const fn new(lease: LeaseKey, cursor: Position, partition: Partition) -> Self {
        Self { lease, cursor, partition, has_parked: false }
    }
}

/// Identifies a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// The number of the partition, from 0.
    pub partition: u32,
    /// The token of the lease. No two leases of a database have the same.
    pub token: i64,
}

/// A lease to look at in a heartbeat.
#[derive(Clone, Debug)]
pub struct Beat {
    /// The lease.
    pub lease: LeaseKey,
    /// The time that the lease is to last from now; `None` does not renew it.
    pub renew: Option<Duration>,
}

/// The answer to [`SubscriptionStorage::heartbeat`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The position of the last event that can be read.
    pub head: Position,
    /// The status of each lease, in the order of the beats.
    pub leases: Vec<LeaseStatus>,
}

impl Heartbeat {
    /// Makes the answer to a heartbeat.
    #[must_use]
    pub const fn new(head: Position, leases: Vec<LeaseStatus>) -> Self {
        Self { head, leases }
    }
}

/// The status of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStatus {
    /// It is held.
    Held {
        /// The subscription is paused.
        paused: bool,
        /// Another worker has asked for the partition.
        wanted: bool,
        /// Parked events of the partition are to be redriven.
        redrive: bool,
    },
    /// Another worker has acquired the partition, or the lease was revoked.
    Lost,
}

/// The outcome of a batch.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The lease that it was handled under.
    pub lease: LeaseKey,
    /// The move of the cursor. `None` if parked events were redriven, or nothing was handled.
    pub cursor: Option<CursorMove>,
    /// The events to park or, if the cursor does not move, to park anew, in position order. An event to park anew that
    /// is not parked any more was discarded meanwhile, and is left alone.
    pub parked: Vec<NewlyParked>,
    /// A parked event that was handled now; the later ones of its lane are redriven. If it is not parked any more, the
    /// settlement was recorded before, or the event was discarded meanwhile.
    pub unparked: Option<Position>,
    /// The handler's failure; `None` clears the one that was recorded before.
    pub failure: Option<String>,
}

/// A move of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// The position that it must have now.
    pub from: Position,
    /// The position that it moves to.
    pub to: Position,
}

/// An event to park.
#[derive(Clone, Debug)]
pub struct NewlyParked {
    /// The position of the event.
    pub position: Position,
    /// Its lane.
    pub lane: Lane,
    /// The handler's failure; the redrive of the lane's events ends here. `None` for an event that only waits for an
    /// earlier one of its lane: it is redriven when that one is, or at once if that one is not parked any more.
    pub reason: Option<String>,
    /// The time after which it is redriven by itself; `None` if it is not.
    pub redrive_after: Option<Duration>,
}

/// The answer to [`SubscriptionStorage::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was recorded by this call.
    Now,
    /// It had been recorded before: the answer to an earlier call was lost.
    Before,
}

/// The parked events to read.
#[derive(Clone, Debug)]
pub struct ParkedRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// The partition that their lanes belong to.
    pub partition: Partition,
    /// The selection among them.
    pub which: WhichParked,
}

/// A selection among parked events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichParked {
    /// Reads back all values.
    All,
    /// Those to redrive now: they were asked for, or their time has come.
    ToRedrive,
}

/// The discarded events to read.
#[derive(Clone, Debug)]
pub struct DiscardedRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// The requests of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Pauses the subscription: nothing is handled until it is resumed. The owner finishes its batch and gives its
    /// partition back.
    Pause,
    /// Resumes the subscription after a pause.
    Resume,
    /// Moves the subscription to another place in the log. The owners lose their leases, and parked events are
    /// forgotten: the reset decides which events are handled.
    Reset(Start),
    /// Redrives all parked events.
    Redrive,
    /// Redrives a parked event, the first of its lane, and then the later ones.
    RedriveEvent(Position),
    /// Discards a parked event and keeps a record of that, which replaces an earlier one of the same event. If it was
    /// the first of its lane, the later ones are redriven.
    Discard {
        /// The position of the event.
        position: Position,
        /// The name of the person or program that discards it.
        by: String,
        /// The reason.
        reason: String,
    },
    /// Deletes the subscription with all that belongs to it.
    Delete,
}
