//! Lists and controls the durable subscriptions of a store.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::name::{MAX_SUBSCRIPTION_NAME_BYTES, SubscriptionName};
use super::parked::{DiscardedEvent, ParkedEvent};
use super::partition::Partition;
use super::start::Start;
use crate::context::read_context::{cut_to_page, one_more};
use crate::engine::{
    Control, Detail, DiscardedRequest, ParkedRequest, StoredPartition, StoredSubscription,
    SubscriptionStorage, WhichParked,
};
use crate::shared::Shared;
use crate::{Error, EventFilter, EventStore, Position, Result};

/// The most characters of a reason for discarding an event.
const MAX_DISCARD_REASON_CHARS: usize = 2_000;

/// Lists and controls the durable subscriptions of a store, in whichever process they run. Made by
/// [`EventStore::subscriptions`].
#[derive(Clone, Debug)]
pub struct Subscriptions {
    store: Arc<Shared>,
}

/// A durable subscription as it is stored, in whichever process it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// Its name.
    pub name: SubscriptionName,
    /// Its filter.
    pub filter: EventFilter,
    /// Its condition.
    pub condition: Condition,
    /// The position up to which all partitions have handled everything.
    pub cursor: Position,
    /// The position of the last event of the log.
    pub head: Position,
    /// The distance from the cursor to the head, in positions. At most this many events are not handled yet.
    pub lag: u64,
    /// The time since the oldest unhandled event was recorded; zero at the end of the log.
    pub lag_time: TimeDelta,
    /// The number of parked events.
    pub parked: u64,
    /// Its partitions, in their order.
    pub partitions: Vec<PartitionInfo>,
}

/// The condition of a stored subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A worker owns at least one partition.
    Running,
    /// No worker runs it.
    Idle,
    /// It is paused.
    Paused,
    /// No worker runs it, and the last one stopped at a failure.
    Failed,
}

/// A partition of a subscription as it is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// Its number, from 0.
    pub index: u32,
    /// The position up to which everything is handled.
    pub cursor: Position,
    /// The name of the worker that owns it.
    pub owner: Option<String>,
    /// The time when the worker's lease ends, if it is not renewed.
    pub leased_until: Option<DateTime<Utc>>,
    /// The handler's last failure, unless it has succeeded since.
    pub failure: Option<String>,
}

/// A page of the parked or discarded events of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The events, in position order.
    pub events: Vec<T>,
    /// The position of the last of them, or the position that the page starts after if there are none. Ask for the next
    /// page after this position.
    pub end: Position,
    /// Whether no more events follow now.
    pub at_end: bool,
}

impl<T> Page<T> {
    /// Makes a page of events that were read after a position: [one more](one_more) than the page holds, if there is
    /// one.
    fn of(mut events: Vec<T>, after: Position, size: u32, position: fn(&T) -> Position) -> Self {
        let at_end = cut_to_page(&mut events, size);
        let end = events.last().map_or(after, position);
        Self { events, end, at_end }
    }
}

impl EventStore {
    /// Returns the administration of durable subscriptions: it lists, pauses, resets and deletes them, and redrives or
    /// discards their parked events.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions { store: Arc::clone(&self.inner) }
    }
}

impl Subscriptions {
    /// Lists all subscriptions, in the order of their names.
    ///
    /// # Errors
    /// The engine's errors.
    pub async fn list(&self) -> Result<Vec<SubscriptionInfo>> {
        let now = self.store.clock.now();
        let stored = self.engine().subscriptions(None, Detail::Backlog).await?;
        Ok(stored.into_iter().map(|stored| info(stored, now)).collect())
    }

    /// Returns the subscription with this name; `None` if there is none.
    ///
    /// # Errors
    /// - [`Error::InvalidSubscription`] if the name is not valid.
    /// - The engine's errors.
    pub async fn find(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<Option<SubscriptionInfo>> {
        let name = name.try_into().map_err(Into::into)?;
        let now = self.store.clock.now();
        let stored = self.engine().subscriptions(Some(&name), Detail::Backlog).await?;
        Ok(stored.into_iter().next().map(|stored| info(stored, now)))
    }

    /// Pauses a subscription: its workers finish their batches and wait until it is resumed.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if no subscription has this name.
    pub async fn pause(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Pause).await
    }

    /// Resumes a paused subscription.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if no subscription has this name.
    pub async fn resume(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Resume).await
    }

    /// Moves a subscription to another place in the log, and forgets its parked events. A batch that a worker is
    /// handling meanwhile is not recorded; the worker continues from the new place.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if no subscription has this name.
    /// - [`Error::StartBeyondEnd`] for a position after the last event.
    /// - [`Error::TimeOutOfRange`] for a time that no event can have.
    /// - [`Error::StartAhead`] for a time in the future.
    pub async fn reset(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        start: Start,
    ) -> Result<()> {
        start.check()?;
        start.check_reached(&*self.store.clock)?;
        self.control(name, Control::Reset(start)).await
    }

    /// Deletes a subscription with its cursor and its parked events. Workers that run it end with
    /// [`Error::UnknownSubscription`].
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if no subscription has this name.
    pub async fn delete(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Delete).await
    }

    /// Redrives all parked events: the subscription's worker handles them again, in order. An event that fails again
    /// stays parked, with the later events of its lane. If no worker runs, the next one redrives them.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if no subscription has this name.
    pub async fn redrive(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Redrive).await
    }

    /// Redrives one parked event: the subscription's worker handles it again, and then the later events of its
    /// lane that wait for it, in order. If it fails again, it stays parked, and so do they. Other parked events
    /// stay as they are.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if no subscription has this name.
    /// - [`Error::NotParked`] if no event is parked at this position.
    /// - [`Error::ParkedBehind`] if the event waits for an earlier event of its lane.
    pub async fn redrive_event(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        position: Position,
    ) -> Result<()> {
        self.control(name, Control::RedriveEvent(position)).await
    }

    /// Discards a parked event: it will not be handled, and the later events of its lane that wait for it are
    /// handled, in order. A record keeps the name, the reason and the handler's failure: see
    /// [`discarded`](Self::discarded). If the event is parked and discarded again after a [`reset`](Self::reset), the
    /// later record replaces the first.
    ///
    /// `by` names the person or program that discards the event, in 1 to 128 bytes; `reason` has 1 to 2,000 characters.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if no subscription has this name.
    /// - [`Error::NotParked`] if no event is parked at this position.
    /// - [`Error::InvalidDiscard`] for a name or a reason that is empty, too long, or has control characters (other than
    ///   line breaks and tabs, in a reason).
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(store: evercore::EventStore) -> evercore::Result<()> {
    /// use evercore::Position;
    ///
    /// let subscriptions = store.subscriptions();
    /// for parked in subscriptions.parked("letters", Position::START, 100).await?.events {
    ///     if parked.reason.as_deref() == Some("there is no such address") {
    ///         let position = parked.event.position();
    ///         subscriptions.discard("letters", position, "ada", "the customer has moved").await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn discard(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        position: Position,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<()> {
        let (by, reason) = (by.into(), reason.into());
        check_discard(&by, &reason)
            .map_err(|problem| Error::InvalidDiscard { position, problem })?;
        self.control(name, Control::Discard { position, by, reason }).await
    }

    /// Reads a page of the discarded events that come after a position, in position order. The page holds at most
    /// `limit` events, or [`Limits::page_events`](crate::Limits::page_events) if that is less.
    ///
    /// # Errors
    /// Those of [`parked`](Self::parked).
    pub async fn discarded(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        after: Position,
        limit: u32,
    ) -> Result<Page<DiscardedEvent>> {
        let subscription = name.try_into().map_err(Into::into)?;
        let size = self.page_size(limit)?;
        let request = DiscardedRequest { subscription, after, limit: one_more(size) };
        let discarded = self.engine().discarded_events(&request).await?;
        self.check_known(discarded.is_empty(), &request.subscription).await?;
        Ok(Page::of(discarded, after, size, |discarded| discarded.event.position()))
    }

    /// Reads a page of the parked events that come after a position, in position order. The page holds at most `limit`
    /// events, or [`Limits::page_events`](crate::Limits::page_events) if that is less.
    ///
    /// # Errors
    /// - [`Error::InvalidNumber`] if `limit` is 0.
    /// - [`Error::UnknownSubscription`] if no subscription has this name.
    pub async fn parked(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        after: Position,
        limit: u32,
    ) -> Result<Page<ParkedEvent>> {
        let subscription = name.try_into().map_err(Into::into)?;
        let size = self.page_size(limit)?;
        let (partition, which) = (Partition::WHOLE, WhichParked::All);
        let limit = one_more(size);
        let request = ParkedRequest { subscription, after, limit, partition, which };
        let parked = self.engine().parked_events(&request).await?;
        self.check_known(parked.is_empty(), &request.subscription).await?;
        Ok(Page::of(parked, after, size, |parked| parked.event.position()))
    }

    fn page_size(&self, limit: u32) -> Result<u32> {
        if limit == 0 {
            return Err(Error::InvalidNumber { what: "page size", least: 1, value: 0 });
        }
        Ok(limit.min(self.store.limits.page_events))
    }

    /// Refuses an empty page of a subscription that does not exist.
    async fn check_known(&self, is_empty: bool, name: &SubscriptionName) -> Result<()> {
        if is_empty && self.engine().subscriptions(Some(name), Detail::Places).await?.is_empty() {
            return Err(Error::UnknownSubscription { name: name.to_string() });
        }
        Ok(())
    }

    async fn control(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        control: Control,
    ) -> Result<()> {
        let name = name.try_into().map_err(Into::into)?;
        self.engine().control(&name, &control).await?;
        self.store.settled.notify();
        self.store.heartbeats.look_now();
        Ok(())
    }

    fn engine(&self) -> &dyn SubscriptionStorage {
        &*self.store.engine
    }
}

/// Checks the name and the reason for discarding an event, and returns what is wrong with them.
fn check_discard(by: &str, reason: &str) -> Result<(), String> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if by.is_empty() || by.len() > MAX_SUBSCRIPTION_NAME_BYTES || by.contains(char::is_control) {
        let most = MAX_SUBSCRIPTION_NAME_BYTES;
        Err(format!(
            "`by` must name who discards it, in 1 to {most} bytes without control characters"
        ))
    } else if reason.trim().is_empty()
        || reason.chars().count() > MAX_DISCARD_REASON_CHARS
        || reason.contains(is_bad)
    {
        let most = MAX_DISCARD_REASON_CHARS;
        Err(format!("the reason must have 1 to {most} characters and no control characters"))
    } else {
        Ok(())
    }
}

fn info(stored: StoredSubscription, now: DateTime<Utc>) -> SubscriptionInfo {
    let cursor = stored.cursor();
    let StoredSubscription { name, filter, paused, partitions, parked, head } = stored;
    let waiting_since = partitions.iter().filter_map(|place| place.waiting_since).min();
    let is_running =
        partitions.iter().any(|place| place.lease.as_ref().is_some_and(|lease| !lease.ended));
    let condition = if paused {
        Condition::Paused
    } else if is_running {
        Condition::Running
    } else if partitions.iter().any(|place| place.failure.is_some()) {
        Condition::Failed
    } else {
        Condition::Idle
    };
    let behind = head.get().saturating_sub(cursor.get());
    SubscriptionInfo {
        name,
        filter,
        condition,
        cursor,
        head,
        lag: u64::try_from(behind).unwrap_or(0),
        lag_time: waiting_since
            .map_or_else(TimeDelta::zero, |since| (now - since).max(TimeDelta::zero())),
        parked: parked.unwrap_or(0),
        partitions: (0..)
            .zip(partitions)
            .map(|(index, place)| partition_info(index, place))
            .collect(),
    }
}

fn partition_info(index: u32, place: StoredPartition) -> PartitionInfo {
    let lease = place.lease.filter(|lease| !lease.ended);
    let (owner, leased_until) = lease.map(|lease| (lease.owner, lease.until)).unzip();
    PartitionInfo { index, cursor: place.cursor, owner, leased_until, failure: place.failure }
}
