//! Keeps subscriptions: their partitions, leases and parked events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercore::engine::{
    AcquireRequest, Acquired, Beat, Control, Detail, DiscardedRequest, Grant, Heartbeat,
    IfDifferent, InspectedParked, InspectedPartition, InspectedSubscription, Lane, LeaseKey,
    LeaseStatus, NewSubscription, ParkedRequest, Registered, Settled, Settlement, StoredLease,
    StoredPartition, StoredSubscription, WhichParked,
};
use evercore::subscription::{DiscardedEvent, ParkedEvent, Partition};
use evercore::{Clock, Error, EventFilter, Position, Result, Start, SubscriptionName};

use crate::log::Log;
use crate::parked::{Parked, ParkedEvents};

/// All subscriptions, by name.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    by_name: BTreeMap<SubscriptionName, Subscription>,
    last_token: i64,
    /// Decides whether a lease has ended.
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Subscription {
    filter: EventFilter,
    paused: bool,
    partitions: Vec<Place>,
    parked: ParkedEvents,
    discarded: BTreeMap<Position, Discarded>,
}

/// A stored partition.
#[derive(Debug)]
struct Place {
    cursor: Position,
    token: i64,
    lease: Option<Lease>,
    wanted: Option<Wanted>,
    failure: Option<String>,
}

#[derive(Debug)]
struct Lease {
    owner: String,
    until: DateTime<Utc>,
}

/// A worker's request for a partition.
#[derive(Debug)]
struct Wanted {
    by: String,
    until: DateTime<Utc>,
}

#[derive(Debug)]
struct Discarded {
    parked: Parked,
    discarded_at: DateTime<Utc>,
    by: String,
    reason: String,
}

impl Log {
    /// Returns the position that a start stands for.
    pub(crate) fn resolve(&self, start: Start) -> Result<Position> {
        match start {
            Start::Beginning => Ok(Position::START),
            Start::End => Ok(self.head()),
            Start::After(position) if position > self.head() => {
                Err(Error::StartBeyondEnd { position, end: self.head() })
            }
            Start::After(position) => Ok(position),
            Start::From(time) => {
                // Cut to the microsecond, as engines store times.
                let from = time.timestamp_micros();
                let before = self
                    .events
                    .iter()
                    .take_while(|event| event.recorded_at().timestamp_micros() < from);
                Ok(before.last().map_or(Position::START, |event| event.position()))
            }
        }
    }
}

impl Subscriptions {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { by_name: BTreeMap::new(), last_token: 0, clock }
    }

    pub(crate) fn register(&mut self, log: &Log, new: &NewSubscription) -> Result<Registered> {
        let Some(stored) = self.by_name.get_mut(&new.name) else {
            let cursor = log.resolve(new.start)?;
            let partitions = (0..new.partitions).map(|_| Place::at(cursor)).collect();
            let subscription = Subscription {
                filter: (*new.filter).clone(),
                paused: false,
                partitions,
                parked: ParkedEvents::default(),
                discarded: BTreeMap::new(),
            };
            self.by_name.insert(new.name.clone(), subscription);
            return Ok(Registered::New { cursor });
        };
        let same = stored.check_same(&new.name, &new.filter, new.partitions);
        if same.is_ok() || new.if_different == IfDifferent::Refuse {
            return same.map(|()| Registered::Unchanged);
        }
        let has_other_lanes = stored.filter.lane_tag() != new.filter.lane_tag();
        if has_other_lanes || stored.count() != new.partitions {
            stored.repartition(new, self.clock.now())?;
        }
        stored.filter = (*new.filter).clone();
        for place in &mut stored.partitions {
            self.last_token += 1;
            place.take_away(self.last_token);
        }
        Ok(Registered::Replaced)
    }

    pub(crate) fn list(
        &self,
        log: &Log,
        name: Option<&SubscriptionName>,
        detail: Detail,
    ) -> Vec<StoredSubscription> {
        let now = self.clock.now();
        let wanted = |stored: &&SubscriptionName| name.is_none_or(|name| name == *stored);
        let named = self.by_name.keys().filter(wanted);
        named
            .map(|name| {
                let stored = &self.by_name[name];
                {
                    let mut subscription =
                        StoredSubscription::new(name.clone(), stored.filter.clone(), log.head());
                    subscription.paused = stored.paused;
                    subscription.partitions = stored
                        .partitions
                        .iter()
                        .map(|place| place.show(log, now, detail))
                        .collect();
                    subscription.parked = (detail == Detail::Backlog)
                        .then(|| u64::try_from(stored.parked.len()).unwrap_or(u64::MAX));
                    subscription
                }
            })
            .collect()
    }

    /// Returns the subscriptions after this name, in order.
    pub(crate) fn inspect<'a>(
        &'a self,
        log: &'a Log,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = InspectedSubscription> + 'a {
        let named = self.by_name.iter();
        let rest =
            named.skip_while(move |(name, _)| after.is_some_and(|after| name.as_str() <= after));
        rest.map(|(name, stored)| {
            let mut shown = InspectedSubscription::new(
                name.to_string(),
                Ok(stored.filter.clone()),
                stored.count().into(),
                log.head().get(),
            );
            shown.found = (0..).zip(&stored.partitions).map(Place::inspect).collect();
            shown
        })
    }

    /// Returns the parked events after this subscription and position, in order.
    pub(crate) fn inspect_parked<'a>(
        &'a self,
        log: &'a Log,
        after: Option<(&'a str, i64)>,
    ) -> impl Iterator<Item = InspectedParked> + 'a {
        let parked = self.by_name.iter().flat_map(move |(name, stored)| {
            let partitions = i64::from(stored.count());
            stored.parked.iter().map(move |(position, parked)| {
                let partition = usize::try_from(parked.lane.get() % partitions);
                let place = partition.ok().and_then(|partition| stored.partitions.get(partition));
                let event = log.events.get(index_after(position) - 1);
                let mut shown =
                    InspectedParked::new(name.to_string(), position.get(), parked.lane.get());
                shown.is_there = event.is_some_and(|event| {
                    shown.has_lane_of(&stored.filter, event.aggregate_id().get(), event.tags())
                });
                shown.cursor = place.map(|place| place.cursor.get());
                shown
            })
        });
        parked.skip_while(move |parked| {
            after.is_some_and(|after| (parked.subscription.as_str(), parked.position) <= after)
        })
    }

    /// Returns the last token that was given.
    pub(crate) const fn last_token(&self) -> i64 {
        self.last_token
    }

    pub(crate) fn acquire(&mut self, request: &AcquireRequest) -> Result<Acquired> {
        let now = self.clock.now();
        let Some(stored) = self.by_name.get_mut(&request.subscription) else {
            return Ok(Acquired::Unknown);
        };
        stored.check_same(&request.subscription, &request.filter, request.partitions)?;
        if stored.paused {
            return Ok(Acquired::Paused);
        }
        let count = stored.count();
        let free = stored.partitions.iter_mut().enumerate().find(|(_, place)| {
            let is_promised =
                place.wanted.as_ref().is_some_and(|w| w.until > now && w.by != request.owner);
            place.lease.as_ref().is_none_or(|lease| lease.until <= now) && !is_promised
        });
        let Some((index, place)) = free else {
            let leases = stored.partitions.iter().filter_map(|place| place.lease.as_ref());
            return Ok(match leases.min_by_key(|lease| lease.until) {
                Some(lease) => Acquired::Taken { owner: lease.owner.clone(), until: lease.until },
                // Reserved for a worker that has asked for it and not acquired it yet.
                None => Acquired::Taken {
                    owner: "a worker that has requested it".to_owned(),
                    until: now,
                },
            });
        };
        self.last_token += 1;
        place.token = self.last_token;
        place.wanted = None;
        place.lease =
            Some(Lease { owner: request.owner.clone(), until: later(now, request.lease) });
        let index = u32::try_from(index).expect("BUG: partitions are counted in 32 bits");
        let partition = Partition::new(index, count).expect("BUG: the partition's own number");
        let has_parked = stored.parked.lanes().any(|lane| partition.contains(lane));
        let lease = LeaseKey {
            subscription: request.subscription.clone(),
            partition: index,
            token: self.last_token,
        };
        let mut made = Grant::new(lease, place.cursor, partition);
        made.has_parked = has_parked;
        Ok(Acquired::Granted(made))
    }

    pub(crate) fn ask_for(&mut self, lease: &LeaseKey, by: &str, patience: Duration) {
        let now = self.clock.now();
        let Some(place) = self.held(lease) else { return };
        if place.wanted.as_ref().is_none_or(|wanted| wanted.until <= now) {
            place.wanted = Some(Wanted { by: by.to_owned(), until: later(now, patience) });
        }
    }

    pub(crate) fn heartbeat(&mut self, log: &Log, beats: &[Beat]) -> Heartbeat {
        let now = self.clock.now();
        let leases = beats
            .iter()
            .map(|beat| {
                let Some(place) = self.held(&beat.lease) else { return LeaseStatus::Lost };
                if let (Some(lease), Some(renew)) = (&mut place.lease, beat.renew) {
                    lease.until = later(now, renew);
                }
                let wanted = place.wanted.as_ref().is_some_and(|wanted| wanted.until > now);
                let stored = &self.by_name[&beat.lease.subscription];
                let partition = stored.partition(&beat.lease);
                let redrive = stored.parked.are_due(partition, now);
                LeaseStatus::Held { paused: stored.paused, wanted, redrive }
            })
            .collect();
        Heartbeat::new(log.head(), leases)
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement) -> Result<Settled> {
        let now = self.clock.now();
        let Settlement { lease, cursor, parked, unparked, failure } = settlement;
        let lost = || Error::LeaseLost {
            name: lease.subscription.to_string(),
            partition: lease.partition,
        };
        let place = self.held(lease).ok_or_else(lost)?;
        if let Some(step) = cursor {
            if place.cursor == step.to && step.from != step.to {
                return Ok(Settled::Before);
            }
            if place.cursor != step.from {
                return Err(lost());
            }
            place.cursor = step.to;
        }
        place.failure.clone_from(failure);
        let stored =
            self.by_name.get_mut(&lease.subscription).expect("BUG: the partition's lease is held");
        if let Some(position) = unparked {
            let Some(handled) = stored.parked.remove(*position) else {
                return Ok(Settled::Before);
            };
            stored.parked.redrive(handled.lane);
        }
        for event in parked {
            // If the cursor does not move, the event was parked before: it is parked again, unless it was discarded
            // meanwhile.
            if cursor.is_some() || stored.parked.contains(event.position) {
                stored.parked.park(event, now);
            }
        }
        Ok(Settled::Now)
    }

    pub(crate) fn release(&mut self, lease: &LeaseKey) {
        if let Some(place) = self.held(lease) {
            place.lease = None;
            place.token = 0;
        }
    }

    pub(crate) fn parked_lanes(&self, name: &SubscriptionName, lanes: &[Lane]) -> Vec<Lane> {
        let Some(stored) = self.by_name.get(name) else { return Vec::new() };
        let is_parked = |lane: &&Lane| stored.parked.has_lane(**lane);
        lanes.iter().filter(is_parked).copied().collect()
    }

    pub(crate) fn parked_events(&self, log: &Log, request: &ParkedRequest) -> Vec<ParkedEvent> {
        let now = self.clock.now();
        let ParkedRequest { subscription, after, limit, partition, which } = request;
        let Some(stored) = self.by_name.get(subscription) else { return Vec::new() };
        let most = usize::try_from(*limit).unwrap_or(usize::MAX);
        stored
            .parked
            .after(*after)
            .filter(|(_, parked)| {
                partition.contains(parked.lane)
                    && (*which == WhichParked::All || stored.parked.is_due(parked, now))
            })
            .take(most)
            .map(|(position, parked)| stored.parked.show(parked, log.event(position).clone(), now))
            .collect()
    }

    pub(crate) fn discarded_events(
        &self,
        log: &Log,
        request: &DiscardedRequest,
    ) -> Vec<DiscardedEvent> {
        let DiscardedRequest { subscription, after, limit } = request;
        let Some(stored) = self.by_name.get(subscription) else { return Vec::new() };
        let most = usize::try_from(*limit).unwrap_or(usize::MAX);
        stored
            .discarded
            .iter()
            .filter(|(position, _)| **position > *after)
            .take(most)
            .map(|(position, discarded)| {
                let mut shown = DiscardedEvent::new(
                    log.event(*position).clone(),
                    discarded.parked.parked_at,
                    discarded.discarded_at,
                    discarded.by.clone(),
                    discarded.reason.clone(),
                );
                shown.failure = discarded.parked.reason.clone();
                shown.attempts = discarded.parked.attempts;
                shown
            })
            .collect()
    }

    pub(crate) fn control(
        &mut self,
        log: &Log,
        name: &SubscriptionName,
        control: &Control,
    ) -> Result<()> {
        let now = self.clock.now();
        let unknown = || Error::UnknownSubscription { name: name.to_string() };
        let stored = self.by_name.get_mut(name).ok_or_else(unknown)?;
        match control {
            Control::Pause => stored.paused = true,
            Control::Resume => stored.paused = false,
            Control::Redrive => stored.parked.redrive_all(),
            Control::RedriveEvent(position) => {
                let first = stored.first_parked_beside(name, *position)?;
                if first != *position {
                    let (name, position) = (name.to_string(), *position);
                    return Err(Error::ParkedBehind { name, position, first });
                }
                // Redrives all events of the lane, so that one parked later is handled after them.
                if let Some(lane) = stored.parked.get(*position).map(|it| it.lane) {
                    stored.parked.redrive(lane);
                }
            }
            Control::Discard { position, by, reason } => {
                let first = stored.first_parked_beside(name, *position)?;
                let Some(parked) = stored.parked.remove(*position) else { return Ok(()) };
                if first == *position {
                    stored.parked.redrive(parked.lane);
                }
                let (by, reason) = (by.clone(), reason.clone());
                let discarded = Discarded { parked, discarded_at: now, by, reason };
                stored.discarded.insert(*position, discarded);
            }
            Control::Reset(start) => {
                let cursor = log.resolve(*start)?;
                stored.parked.clear();
                for place in &mut stored.partitions {
                    self.last_token += 1;
                    place.take_away(self.last_token);
                    place.cursor = cursor;
                    place.failure = None;
                }
            }
            Control::Delete => {
                self.by_name.remove(name);
            }
        }
        Ok(())
    }

    fn held(&mut self, lease: &LeaseKey) -> Option<&mut Place> {
        let place = usize::try_from(lease.partition).ok()?;
        let place = self.by_name.get_mut(&lease.subscription)?.partitions.get_mut(place)?;
        (place.token == lease.token).then_some(place)
    }
}

impl Subscription {
    fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("BUG: partitions are counted in 32 bits")
    }

    fn check_same(
        &self,
        name: &SubscriptionName,
        filter: &EventFilter,
        partitions: u32,
    ) -> Result<()> {
        Error::check_subscription(name, (&self.filter, self.count()), (filter, partitions))
    }

    fn partition(&self, lease: &LeaseKey) -> Partition {
        Partition::new(lease.partition, self.count()).expect("BUG: the partition's own number")
    }

    fn repartition(&mut self, new: &NewSubscription, now: DateTime<Utc>) -> Result<()> {
        let not_idle = |problem: String| {
            Err(Error::SubscriptionNotIdle { name: new.name.to_string(), problem })
        };
        let mut leases = self.partitions.iter().filter_map(|place| place.lease.as_ref());
        if let Some(lease) = leases.find(|lease| lease.until > now) {
            return not_idle(format!("`{}` owns a partition", lease.owner));
        }
        let cursor = self.partitions[0].cursor;
        if self.partitions.iter().any(|place| place.cursor != cursor) {
            return not_idle("the cursors of its partitions differ".to_owned());
        }
        if self.filter.lane_tag() != new.filter.lane_tag() && self.parked.len() > 0 {
            return Err(Error::parked_in_lanes(&new.name));
        }
        self.partitions = (0..new.partitions).map(|_| Place::at(cursor)).collect();
        Ok(())
    }

    /// Returns the first parked event of the lane that a parked event belongs to.
    fn first_parked_beside(&self, name: &SubscriptionName, position: Position) -> Result<Position> {
        let not_parked = || Error::NotParked { name: name.to_string(), position };
        self.parked.first_beside(position).ok_or_else(not_parked)
    }
}

impl Place {
    fn at(cursor: Position) -> Self {
        Self { cursor, token: 0, lease: None, wanted: None, failure: None }
    }

    /// Ends the lease and any request for the partition.
    fn take_away(&mut self, token: i64) {
        self.token = token;
        self.lease = None;
        self.wanted = None;
    }

    fn inspect((number, place): (i64, &Self)) -> InspectedPartition {
        let mut shown = InspectedPartition::new(number, place.cursor.get(), place.token);
        shown.owner = place.lease.as_ref().map(|lease| lease.owner.clone());
        shown.has_end = place.lease.is_some();
        shown
    }

    fn show(&self, log: &Log, now: DateTime<Utc>, detail: Detail) -> StoredPartition {
        let next = log.events.get(index_after(self.cursor));
        let mut shown = StoredPartition::new(self.cursor);
        shown.waiting_since =
            next.filter(|_| detail == Detail::Backlog).map(|event| event.recorded_at());
        shown.lease = self.lease.as_ref().map(|lease| {
            let mut shown = StoredLease::new(self.token, lease.owner.clone(), lease.until);
            shown.ended = lease.until <= now;
            shown.wanted = self.wanted.as_ref().is_some_and(|wanted| wanted.until > now);
            shown
        });
        shown.failure = self.failure.clone();
        shown
    }
}

/// Returns the time that is `time` after `now`, at most the last one that the calendar has.
pub(crate) fn later(now: DateTime<Utc>, time: Duration) -> DateTime<Utc> {
    let delta = chrono::TimeDelta::from_std(time).ok();
    delta.and_then(|delta| now.checked_add_signed(delta)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Returns the index in [`Log::events`] of the first event after a position.
fn index_after(position: Position) -> usize {
    usize::try_from(position.get()).unwrap_or(usize::MAX)
}
