//! Faults in the storage of subscriptions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, CursorMove, Detail, Heartbeat, Lane, LeaseKey,
    LeaseStatus, LogQuery, LogSignal, LogWatch, NewSubscription, Reader, Registered, Settled,
    Settlement, SubscriptionStorage,
};
use evercore::subscription::Partition;
use evercore::{EventFilter, LogPage, Position, Result, SubscriptionName};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Skips some of the events that match a filter or a partition.
#[derive(Debug)]
pub(crate) struct SkipsMatches;

#[async_trait]
impl Fault for SkipsMatches {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let is_of_all = query.is_of_all_events();
        let mut page = reader.read_log(query).await?;
        page.events.retain(|event| is_of_all || event.position().get() % 5 != 3);
        Ok(page)
    }
}

/// Skips some of the events of the log, whatever is asked for.
#[derive(Debug)]
pub(crate) struct SkipsEvents;

#[async_trait]
impl Fault for SkipsEvents {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let mut page = reader.read_log(query).await?;
        page.events.retain(|event| event.position().get() % 5 != 3);
        Ok(page)
    }
}

/// Answers that each subscription is new.
#[derive(Debug)]
pub(crate) struct FindsAllNew;

#[async_trait]
impl Fault for FindsAllNew {
    async fn register(&self, engine: &MemoryEngine, new: &NewSubscription) -> Result<Registered> {
        engine.register(new).await?;
        Ok(Registered::New { cursor: engine.resolve_start(new.start).await? })
    }
}

/// Ignores filters.
#[derive(Debug)]
pub(crate) struct IgnoresFilters;

#[async_trait]
impl Fault for IgnoresFilters {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        reader.read_log(query.filter(Arc::default())).await
    }
}

/// Counts parked events even if only the leases are looked at.
#[derive(Debug)]
pub(crate) struct CountsAlways;

impl Fault for CountsAlways {
    fn detail(&self, _wanted: Detail) -> Detail {
        Detail::Backlog
    }
}

/// Ignores partitions.
#[derive(Debug)]
pub(crate) struct IgnoresPartitions;

#[async_trait]
impl Fault for IgnoresPartitions {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        reader.read_log(query.partition(Partition::WHOLE)).await
    }
}

/// Divides events among partitions by their aggregates, whatever the lanes.
#[derive(Debug)]
pub(crate) struct IgnoresLanes;

#[async_trait]
impl Fault for IgnoresLanes {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let mut filter: serde_json::Value =
            serde_json::from_str(&query.filter.to_column()).expect("it is JSON");
        filter.as_object_mut().expect("it is an object").remove("lane");
        let filter = EventFilter::from_column(&filter.to_string())?;
        reader.read_log(query.filter(Arc::new(filter))).await
    }
}

/// Parks each event in the lane of its position.
#[derive(Debug)]
pub(crate) struct ConfusesLanes;

#[async_trait]
impl Fault for ConfusesLanes {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let mut settlement = settlement.clone();
        for parked in &mut settlement.parked {
            parked.lane = Lane::new(parked.position.get());
        }
        engine.settle(&settlement).await
    }
}

/// Does not advance past a page without a match.
#[derive(Debug)]
pub(crate) struct StandsStill;

#[async_trait]
impl Fault for StandsStill {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let after = query.after;
        let mut page = reader.read_log(query).await?;
        page.end = page.events.last().map_or(after, |event| event.position());
        Ok(page)
    }
}

/// Returns pages backwards.
#[derive(Debug)]
pub(crate) struct ReadsBackwards;

#[async_trait]
impl Fault for ReadsBackwards {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let mut page = reader.read_log(query).await?;
        page.events.reverse();
        Ok(page)
    }
}

/// Returns every other page twice.
#[derive(Debug)]
pub(crate) struct GivesPagesTwice;

#[async_trait]
impl Fault for GivesPagesTwice {
    async fn read_log(&self, reader: &dyn Reader, query: LogQuery) -> Result<LogPage> {
        let limit = i64::from(query.limit);
        let after = match query.after.get() {
            after if after > 0 && after % (2 * limit) == limit => Position::new(after - limit)?,
            _ => query.after,
        };
        let mut page = reader.read_log(query.clone()).await?;
        page.events = reader.read_log(LogQuery { after, ..query }).await?.events;
        Ok(page)
    }
}

/// Never wakes a watcher of the log.
#[derive(Debug)]
pub(crate) struct WakesNoWatcher;

impl Fault for WakesNoWatcher {
    fn watch_log(&self, _engine: &MemoryEngine) -> LogWatch {
        LogSignal::new().watch(Duration::from_secs(1))
    }
}

/// Grants a lease that another worker holds.
#[derive(Debug)]
pub(crate) struct GivesLeasesTwice;

#[async_trait]
impl Fault for GivesLeasesTwice {
    async fn acquire(&self, engine: &MemoryEngine, request: &AcquireRequest) -> Result<Acquired> {
        if let Some(lease) = current(engine, &request.subscription, 0).await? {
            engine.release(&lease).await?;
        }
        engine.acquire(request).await
    }
}

/// Never reports a lost lease.
#[derive(Debug)]
pub(crate) struct HidesLostLeases;

#[async_trait]
impl Fault for HidesLostLeases {
    async fn heartbeat(&self, engine: &MemoryEngine, beats: &[Beat]) -> Result<Heartbeat> {
        let mut heartbeat = engine.heartbeat(beats).await?;
        for lease in heartbeat.leases.iter_mut().filter(|lease| **lease == LeaseStatus::Lost) {
            *lease = LeaseStatus::Held { paused: false, wanted: false, redrive: false };
        }
        Ok(heartbeat)
    }
}

/// Accepts settlements from a worker whose lease another worker has taken.
#[derive(Debug)]
pub(crate) struct ForgetsTheToken;

#[async_trait]
impl Fault for ForgetsTheToken {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let LeaseKey { subscription, partition, .. } = &settlement.lease;
        let owner = current(engine, subscription, *partition).await?;
        let lease = owner.unwrap_or_else(|| settlement.lease.clone());
        engine.settle(&Settlement { lease, ..settlement.clone() }).await
    }
}

/// Moves a cursor whatever its current position.
#[derive(Debug)]
pub(crate) struct ForgetsWhereFrom;

#[async_trait]
impl Fault for ForgetsWhereFrom {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let LeaseKey { subscription, partition, .. } = &settlement.lease;
        let stored = engine.subscriptions(Some(subscription), Detail::Places).await?;
        let index = usize::try_from(*partition).expect("small");
        let stands = stored.first().map(|stored| stored.partitions[index].cursor);
        let cursor = settlement
            .cursor
            .map(|step| CursorMove { from: stands.unwrap_or(step.from), to: step.to });
        engine.settle(&Settlement { cursor, ..settlement.clone() }).await
    }
}

/// Keeps a released lease.
#[derive(Debug)]
pub(crate) struct KeepsLeases;

#[async_trait]
impl Fault for KeepsLeases {
    async fn release(&self, _engine: &MemoryEngine, _lease: &LeaseKey) -> Result<()> {
        Ok(())
    }
}

/// Forgets parked events.
#[derive(Debug)]
pub(crate) struct DropsParkedEvents;

#[async_trait]
impl Fault for DropsParkedEvents {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        engine.settle(&Settlement { parked: Vec::new(), ..settlement.clone() }).await
    }
}

/// Forgets the events that wait behind a parked one.
#[derive(Debug)]
pub(crate) struct DropsWhatWaits;

#[async_trait]
impl Fault for DropsWhatWaits {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let mut settlement = settlement.clone();
        settlement.parked.retain(|parked| parked.reason.is_some());
        engine.settle(&settlement).await
    }
}

/// Forgets the times at which parked events are to be redriven.
#[derive(Debug)]
pub(crate) struct ForgetsRedriveTimes;

#[async_trait]
impl Fault for ForgetsRedriveTimes {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let mut settlement = settlement.clone();
        settlement.parked.iter_mut().for_each(|parked| parked.redrive_after = None);
        engine.settle(&settlement).await
    }
}

/// Parks events again that were discarded meanwhile.
#[derive(Debug)]
pub(crate) struct ParksDiscardedEvents;

#[async_trait]
impl Fault for ParksDiscardedEvents {
    async fn settle(&self, engine: &MemoryEngine, settlement: &Settlement) -> Result<Settled> {
        let mut settlement = settlement.clone();
        if settlement.cursor.is_none() && !settlement.parked.is_empty() {
            let stored =
                engine.subscriptions(Some(&settlement.lease.subscription), Detail::Places).await?;
            let index = usize::try_from(settlement.lease.partition).unwrap_or(usize::MAX);
            let place = stored.first().and_then(|stored| stored.partitions.get(index));
            settlement.cursor = place.map(|it| CursorMove { from: it.cursor, to: it.cursor });
        }
        engine.settle(&settlement).await
    }
}

/// Does not record why events were discarded.
#[derive(Debug)]
pub(crate) struct ForgetsReasons;

#[async_trait]
impl Fault for ForgetsReasons {
    async fn control(
        &self,
        engine: &MemoryEngine,
        subscription: &SubscriptionName,
        control: &Control,
    ) -> Result<()> {
        let mut control = control.clone();
        if let Control::Discard { by, reason, .. } = &mut control {
            by.clear();
            reason.clear();
        }
        engine.control(subscription, &control).await
    }
}

/// Keeps parked events but reports that nothing is parked.
#[derive(Debug)]
pub(crate) struct HidesParkedAggregates;

#[async_trait]
impl Fault for HidesParkedAggregates {
    async fn parked_lanes(
        &self,
        _engine: &MemoryEngine,
        _subscription: &SubscriptionName,
        _lanes: &[Lane],
    ) -> Result<Vec<Lane>> {
        Ok(Vec::new())
    }
}

/// Ignores operators' commands and reports success.
#[derive(Debug)]
pub(crate) struct IgnoresOperators;

#[async_trait]
impl Fault for IgnoresOperators {
    async fn control(
        &self,
        _engine: &MemoryEngine,
        _subscription: &SubscriptionName,
        _control: &Control,
    ) -> Result<()> {
        Ok(())
    }
}

/// Returns the current lease of a partition.
async fn current(
    engine: &MemoryEngine,
    subscription: &SubscriptionName,
    partition: u32,
) -> Result<Option<LeaseKey>> {
    let stored = engine.subscriptions(Some(subscription), Detail::Places).await?;
    let index = usize::try_from(partition).expect("small");
    let lease = stored.first().and_then(|stored| stored.partitions[index].lease.as_ref());
    let subscription = subscription.clone();
    Ok(lease.map(|lease| LeaseKey { subscription, partition, token: lease.token }))
}
