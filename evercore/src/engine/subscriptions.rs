//! What an engine stores of subscriptions: what they follow, how far they are, and who moves them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;
use crate::engine::LogPage;
use crate::{
    AggregateId, DiscardedEvent, EventFilter, ParkedEvent, Partition, Position, Result, Start,
    SubscriptionName,
};

/// Stores subscriptions.
///
/// The time of leases is the database's, never the caller's. As with [`StorageEngine`](super::StorageEngine), every
/// future may be dropped at any point.
#[async_trait]
pub trait SubscriptionStorage: std::fmt::Debug + Send + Sync + 'static {
    /// A page of the events that a subscription follows, in position order. As
    /// [`read_log`](super::Reader::read_log), it never holds a position beyond which an earlier one can still appear.
    ///
    /// The engine looks at a bounded number of events, so a page can be short, or empty, and not the last.
    async fn read_matching(&self, request: MatchRequest) -> Result<LogPage>;

    /// The position that a start stands for, as of now.
    ///
    /// # Errors
    /// [`Error::StartBeyondEnd`] if it lies after the last event.
    async fn resolve_start(&self, start: Start) -> Result<Position>;

    /// Stores a subscription if there is none of this name. The stored one has to be the same, unless
    /// [`IfDifferent::Replace`] is asked for: then it takes on the filter and the number of partitions of the new one,
    /// and keeps its place in the log. Whoever owns it loses it if anything is replaced.
    ///
    /// # Errors
    /// - [`Error::SubscriptionDiffers`] if the stored one is another.
    /// - [`Error::StartBeyondEnd`] for a new one that starts after the last event.
    /// - [`Error::SubscriptionNotIdle`] if the number of partitions is to change while one is owned, or while they
    ///   stand at different places.
    async fn register(&self, subscription: &NewSubscription) -> Result<()>;

    /// The subscriptions in the order of their names, or the one of this name.
    async fn subscriptions(
        &self,
        name: Option<&SubscriptionName>,
    ) -> Result<Vec<StoredSubscription>>;

    /// Takes a partition that nobody owns, or whose owner's lease has ended; the one with the lowest number. A
    /// partition that was asked for by somebody else ([`ask_for`](Self::ask_for)) is left to them.
    ///
    /// # Errors
    /// [`Error::SubscriptionDiffers`] if the stored one is not the one that the request is for.
    async fn acquire(&self, request: &AcquireRequest) -> Result<Acquired>;

    /// Asks the owner of a partition to hand it over: it sees [`LeaseStatus::Held::wanted`], and nobody but `by` can
    /// acquire the partition for as long as `patience`. Changes nothing if the lease is not held any more, or if
    /// somebody else has asked already.
    async fn ask_for(&self, lease: &LeaseKey, by: &str, patience: Duration) -> Result<()>;

    /// Looks at the end of the log and at leases, and renews those that are to be renewed, all in one round trip.
    /// A lease that has ended and was not taken by anyone can be renewed.
    async fn heartbeat(&self, beats: &[Beat]) -> Result<Heartbeat>;

    /// Records what became of a batch, whole or not at all. If it was recorded before, this says so and changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if the lease is not held any more, or the cursor stands elsewhere.
    async fn settle(&self, settlement: &Settlement) -> Result<Settled>;

    /// Gives a partition back. Changes nothing if the lease is not held any more.
    async fn release(&self, lease: &LeaseKey) -> Result<()>;

    /// Which of these aggregates have parked events.
    async fn parked_aggregates(
        &self,
        subscription: &SubscriptionName,
        aggregates: &[AggregateId],
    ) -> Result<Vec<AggregateId>>;

    /// Parked events, in position order.
    async fn parked_events(&self, request: &ParkedRequest) -> Result<Vec<ParkedEvent>>;

    /// Discarded events, in position order.
    async fn discarded_events(&self, request: &DiscardedRequest) -> Result<Vec<DiscardedEvent>>;

    /// Does what an operator asks for.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if there is none of this name.
    /// - [`Error::NotParked`] for an event that is to be redriven or discarded and is not parked.
    /// - [`Error::ParkedBehind`] for one that is to be redriven and waits for an earlier one of its aggregate.
    /// - [`Error::StartBeyondEnd`] for a reset to after the last event.
    async fn control(&self, subscription: &SubscriptionName, control: &Control) -> Result<()>;
}

/// Which events to read.
#[derive(Clone, Debug)]
pub struct MatchRequest {
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// Which events.
    pub filter: Arc<EventFilter>,
    /// Of which aggregates.
    pub partition: Partition,
}

/// A subscription that is to be stored.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Its name.
    pub name: SubscriptionName,
    /// What it follows.
    pub filter: Arc<EventFilter>,
    /// The number of its partitions, at least 1.
    pub partitions: u32,
    /// Where it starts, if it is not stored yet.
    pub start: Start,
    /// What to do with a stored one that is not the same.
    pub if_different: IfDifferent,
}

/// What to do with a stored subscription that differs from the wanted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfDifferent {
    /// Nothing: it is an error.
    #[default]
    Refuse,
    /// Make it what is wanted now.
    Replace,
}

/// A subscription as stored.
#[derive(Clone, Debug)]
pub struct StoredSubscription {
    /// Its name.
    pub name: SubscriptionName,
    /// What it follows.
    pub filter: EventFilter,
    /// Whether it is paused.
    pub paused: bool,
    /// Its partitions, in their order.
    pub partitions: Vec<StoredPartition>,
    /// The number of its parked events.
    pub parked: u64,
    /// The position of the last event that is stored, as of the moment of the cursors. Where writers overtake each other
    /// it may not be readable yet; it is waited for all the same.
    pub head: Position,
}

impl StoredSubscription {
    /// The position up to which all partitions have handled everything.
    #[must_use]
    pub fn cursor(&self) -> Position {
        self.partitions.iter().map(|place| place.cursor).min().unwrap_or_default()
    }
}

/// A partition as stored.
#[derive(Clone, Debug)]
pub struct StoredPartition {
    /// Everything up to here is handled.
    pub cursor: Position,
    /// When the first event after the cursor was recorded, of those that are visible; `None` at the end of the log.
    pub waiting_since: Option<DateTime<Utc>>,
    /// The lease, ended or not; `None` if it was given back.
    pub lease: Option<StoredLease>,
    /// What the handler failed with last, unless it has succeeded since.
    pub failure: Option<String>,
}

/// A lease as stored.
#[derive(Clone, Debug)]
pub struct StoredLease {
    /// Grows at each take-over.
    pub token: i64,
    /// Who holds it.
    pub owner: String,
    /// When it ends, if it is not renewed.
    pub until: DateTime<Utc>,
    /// Whether it has ended, by the database's time.
    pub ended: bool,
    /// Whether somebody has asked for it.
    pub wanted: bool,
}

/// Who wants a partition, and for how long.
#[derive(Clone, Debug)]
pub struct AcquireRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Who asks. 1 to 255 bytes without a NUL.
    pub owner: String,
    /// How long the lease lasts without renewal.
    pub lease: Duration,
    /// What the stored subscription has to follow.
    pub filter: Arc<EventFilter>,
    /// How many partitions the stored subscription has to have.
    pub partitions: u32,
}

/// The answer to [`SubscriptionStorage::acquire`].
#[derive(Clone, Debug)]
pub enum Acquired {
    /// A partition.
    Granted(Grant),
    /// None is free; this is the one whose lease ends first.
    Taken {
        /// Who owns it.
        owner: String,
        /// When its lease ends, if it is not renewed.
        until: DateTime<Utc>,
    },
    /// The subscription is paused.
    Paused,
    /// There is no such subscription.
    Unknown,
}

/// A partition that was acquired.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseKey,
    /// Everything up to here is handled.
    pub cursor: Position,
    /// Which share of the aggregates it is.
    pub partition: Partition,
    /// Whether any of its events is parked.
    pub has_parked: bool,
}

/// Names a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// The number of the partition, from 0.
    pub partition: u32,
    /// Never the same for two leases of a database.
    pub token: i64,
}

/// A lease to look at.
#[derive(Clone, Debug)]
pub struct Beat {
    /// The lease.
    pub lease: LeaseKey,
    /// Makes the lease last so long from now.
    pub renew: Option<Duration>,
}

/// The answer to [`SubscriptionStorage::heartbeat`].
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The position of the last event that can be read.
    pub head: Position,
    /// One for each beat, in their order.
    pub leases: Vec<LeaseStatus>,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStatus {
    /// It is held.
    Held {
        /// The subscription is paused.
        paused: bool,
        /// Somebody has asked for the partition.
        wanted: bool,
        /// Parked events of the partition are to be handled again.
        redrive: bool,
    },
    /// Somebody else has taken it, or it was taken away.
    Lost,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// By whom it was handled.
    pub lease: LeaseKey,
    /// How far the cursor moves. `None` where parked events were handled again, or nothing was.
    pub cursor: Option<CursorMove>,
    /// Events that are parked, or, without a cursor that moves, parked anew, in position order. One that is to be parked
    /// anew and is not parked any more was discarded meanwhile, and is left alone.
    pub parked: Vec<NewlyParked>,
    /// A parked event that is handled now; the later ones of its aggregate are redriven. If it is not parked any more, the
    /// settlement was recorded before, or the event was discarded meanwhile.
    pub unparked: Option<Position>,
    /// What the handler failed with; `None` forgets what it failed with before.
    pub failure: Option<String>,
}

/// How far a cursor moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// Where it has to stand.
    pub from: Position,
    /// Where it goes.
    pub to: Position,
}

/// An event that is to be parked.
#[derive(Clone, Debug)]
pub struct NewlyParked {
    /// The event.
    pub position: Position,
    /// Its aggregate.
    pub aggregate_id: AggregateId,
    /// What the handler failed with; the redrive of the aggregate's events ends here. `None` for an event that only
    /// waits for an earlier one of its aggregate: it is handled again when that one is, or at once if that one is not
    /// parked any more.
    pub reason: Option<String>,
    /// After how long it is to be handled again by itself.
    pub redrive_after: Option<Duration>,
}

/// What [`SubscriptionStorage::settle`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is recorded.
    Now,
    /// It had been recorded already: the answer to the call that did was lost.
    Before,
}

/// Which parked events to read.
#[derive(Clone, Debug)]
pub struct ParkedRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
    /// Of which aggregates.
    pub partition: Partition,
    /// Which of them.
    pub which: WhichParked,
}

/// Which parked events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichParked {
    /// All.
    All,
    /// Those that are to be handled again now: they were asked for, or their time has come.
    ToRedrive,
}

/// Which discarded events to read.
#[derive(Clone, Debug)]
pub struct DiscardedRequest {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Only events after this position.
    pub after: Position,
    /// The most events to return, at least 1.
    pub limit: u32,
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Handle nothing until resumed. The owner finishes its batch and gives the subscription back.
    Pause,
    /// Go on.
    Resume,
    /// Go on from somewhere else. Whoever owns it loses it; parked events are forgotten, since a reset says what is to
    /// be handled.
    Reset(Start),
    /// Handle the parked events again.
    Redrive,
    /// Handle a parked event again, the first of its aggregate, and then the later ones.
    RedriveEvent(Position),
    /// Forget a parked event, and keep a record of that: one for each event, the last. If it was the first of its
    /// aggregate, the later ones are redriven.
    Discard {
        /// The event.
        position: Position,
        /// Who discards it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Forget it with all that belongs to it.
    Delete,
}
