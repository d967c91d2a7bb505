//! Looking after subscriptions.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::name::{Partition, Start, SubscriptionName};
use super::parked::ParkedEvent;
use crate::engine::{
    Control, ParkedRequest, StoredPartition, StoredSubscription, SubscriptionStorage, WhichParked,
};
use crate::store::Inner;
use crate::{Error, EventFilter, EventStore, Position, Result};

/// Looks after the durable subscriptions of a store. Made by [`EventStore::subscriptions`].
#[derive(Clone, Debug)]
pub struct Subscriptions {
    store: Arc<Inner>,
}

/// A durable subscription as it is stored, wherever it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// Its name.
    pub name: SubscriptionName,
    /// What it follows.
    pub filter: EventFilter,
    /// What it is doing.
    pub condition: Condition,
    /// Everything up to here is handled, in all partitions.
    pub cursor: Position,
    /// The last event of the log that can be read.
    pub head: Position,
    /// How far it is behind, in positions: at most so many events are not handled yet.
    pub lag: u64,
    /// How long the oldest event that is not handled yet has been recorded; zero at the end of the log.
    pub lag_time: TimeDelta,
    /// The number of parked events.
    pub parked: u64,
    /// Its partitions, in their order.
    pub partitions: Vec<PartitionInfo>,
}

/// What a stored subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A worker owns a partition at least.
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
    /// Everything up to here is handled.
    pub cursor: Position,
    /// The worker that owns it.
    pub owner: Option<String>,
    /// When the worker's lease ends, if it is not renewed.
    pub leased_until: Option<DateTime<Utc>>,
    /// What its handler failed with last, unless it has succeeded since.
    pub failure: Option<String>,
}

impl EventStore {
    /// Looks after durable subscriptions: what they are doing, pausing, resetting, parked events.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions { store: Arc::clone(&self.inner) }
    }
}

impl Subscriptions {
    /// All subscriptions, in the order of their names.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn list(&self) -> Result<Vec<SubscriptionInfo>> {
        let now = self.store.clock.now();
        let stored = self.engine().subscriptions(None).await?;
        Ok(stored.into_iter().map(|stored| info(stored, now)).collect())
    }

    /// One subscription, if there is one of this name.
    ///
    /// # Errors
    /// - [`Error::InvalidSubscription`] if it cannot be a name.
    /// - What the engine says.
    pub async fn find(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<Option<SubscriptionInfo>> {
        let name = name.try_into().map_err(Into::into)?;
        let now = self.store.clock.now();
        let stored = self.engine().subscriptions(Some(&name)).await?;
        Ok(stored.into_iter().next().map(|stored| info(stored, now)))
    }

    /// Has its workers finish their batches and wait until it is resumed.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if there is none of this name.
    pub async fn pause(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Pause).await
    }

    /// Lets it go on after a pause.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if there is none of this name.
    pub async fn resume(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Resume).await
    }

    /// Has it go on from somewhere else, and forgets its parked events. What a worker is handling meanwhile is not
    /// recorded; the worker goes on from the new place.
    ///
    /// # Errors
    /// - [`Error::UnknownSubscription`] if there is none of this name.
    /// - [`Error::StartBeyondEnd`] for a position after the last event.
    /// - [`Error::TimeOutOfRange`] for a time that no event can have.
    /// - [`Error::StartAhead`] for a time that has not come.
    pub async fn reset(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        start: Start,
    ) -> Result<()> {
        start.check()?;
        start.check_reached(&*self.store.clock)?;
        self.control(name, Control::Reset(start)).await
    }

    /// Forgets it, with its place in the log and its parked events. Workers that run it end with
    /// [`Error::UnknownSubscription`].
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if there is none of this name.
    pub async fn delete(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Delete).await
    }

    /// Has its worker handle all parked events again, in order. One that fails again stays parked, with the later ones
    /// of its aggregate. If no worker runs, the next one does it.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`] if there is none of this name.
    pub async fn redrive(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
    ) -> Result<()> {
        self.control(name, Control::Redrive).await
    }

    /// A page of its parked events, in position order: after a position, and at most `limit`.
    ///
    /// # Errors
    /// - [`Error::InvalidNumber`] if `limit` is 0.
    /// - [`Error::UnknownSubscription`] if there is none of this name.
    pub async fn parked(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        after: Position,
        limit: u32,
    ) -> Result<Vec<ParkedEvent>> {
        let subscription = name.try_into().map_err(Into::into)?;
        if limit == 0 {
            return Err(Error::InvalidNumber { what: "page size", least: 1, value: 0 });
        }
        let limit = limit.min(self.store.limits.page_events);
        let (partition, which) = (Partition::WHOLE, WhichParked::All);
        let request = ParkedRequest { subscription, after, limit, partition, which };
        let parked = self.engine().parked_events(&request).await?;
        if parked.is_empty()
            && self.engine().subscriptions(Some(&request.subscription)).await?.is_empty()
        {
            return Err(Error::UnknownSubscription { name: request.subscription.to_string() });
        }
        Ok(parked)
    }

    async fn control(
        &self,
        name: impl TryInto<SubscriptionName, Error: Into<Error>>,
        control: Control,
    ) -> Result<()> {
        let name = name.try_into().map_err(Into::into)?;
        self.engine().control(&name, &control).await?;
        self.store.settled.notify();
        Ok(())
    }

    fn engine(&self) -> &dyn SubscriptionStorage {
        &*self.store.engine
    }
}

fn info(stored: StoredSubscription, now: DateTime<Utc>) -> SubscriptionInfo {
    let StoredSubscription { name, filter, paused, partitions, parked, head } = stored;
    let cursor = partitions.iter().map(|place| place.cursor).min().unwrap_or_default();
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
        parked,
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
