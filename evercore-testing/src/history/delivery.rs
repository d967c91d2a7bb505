//! Compares the events that handlers received with the log.

use std::collections::{BTreeSet, HashMap};

use evercore::{EventFilter, Position};

use super::evidence::Entry;
use super::observation::{Handled, Observation};
use super::sessions::History;
use super::violation::Violation;

/// A subscription in a check, with the events that its handler should have received.
#[derive(Clone, Debug)]
#[must_use = "give it to a `Check`"]
pub struct Follower {
    subscription: String,
    filter: EventFilter,
    start: Position,
    lanes: Lanes,
    repeats: Repeats,
    until: Until,
}

/// Whether a handler may receive an event more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// An event may repeat, because the handler does not write in the transaction that moves the cursor.
    Allowed,
    /// Each event must take effect exactly once.
    None,
}

/// The units within which the order of events is checked.
#[derive(Clone, Copy, Debug)]
enum Lanes {
    /// The events of each of this many partitions are in order.
    Partitions(u32),
    /// The events of each aggregate are in order.
    Aggregates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    End,
    Anywhere,
}

impl Follower {
    /// Creates a follower of all events from the beginning, in one partition. By default its events may repeat, and it
    /// must have reached the end of the log.
    pub fn new(subscription: impl Into<String>) -> Self {
        Self {
            subscription: subscription.into(),
            filter: EventFilter::new(),
            start: Position::START,
            lanes: Lanes::Partitions(1),
            repeats: Repeats::Allowed,
            until: Until::End,
        }
    }

    /// Sets the filter of the subscription.
    ///
    /// # Panics
    /// If the filter has a natural key, since the log does not say which aggregate held the key when an event was read.
    pub fn filter(mut self, filter: EventFilter) -> Self {
        assert!(filter.natural_key().is_none(), "whose key it was cannot be told afterwards");
        self.filter = filter;
        self
    }

    /// Sets the position after which the subscription starts.
    pub const fn after(mut self, start: Position) -> Self {
        self.start = start;
        self
    }

    /// Sets the number of partitions, at least 1. Within each partition, events must come in the order of the log.
    ///
    /// # Panics
    /// If the number is 0.
    pub const fn partitions(mut self, partitions: u32) -> Self {
        assert!(partitions > 0, "a subscription has a partition");
        self.lanes = Lanes::Partitions(partitions);
        self
    }

    /// Requires the order only within each aggregate, for subscriptions whose events are parked and redriven.
    pub const fn by_aggregate(mut self) -> Self {
        self.lanes = Lanes::Aggregates;
        self
    }

    /// Sets whether events may repeat.
    pub const fn repeats(mut self, repeats: Repeats) -> Self {
        self.repeats = repeats;
        self
    }

    /// Allows the subscription to be behind the end of the log.
    pub const fn unfinished(mut self) -> Self {
        self.until = Until::Anywhere;
        self
    }

    /// Returns the number of events that the handler received, and the violations in them.
    pub(super) fn check(&self, history: &History, log: &[Entry]) -> (usize, Vec<Violation>) {
        let table = self.table(log);
        let mut given =
            Given { follower: self, table: &table, found: Vec::new(), times: HashMap::new() };
        let mut era = Vec::new();
        let (mut count, mut now) = (0, None);
        for (moment, seen) in history.moments() {
            let Observation::Handled { subscription, events } = seen else { continue };
            if *subscription != self.subscription {
                continue;
            }
            if now.is_some_and(|(known, _)| known != moment.era) {
                given.take(std::mem::take(&mut era));
            }
            if now != Some((moment.era, moment.session)) {
                era.push(Vec::new());
                now = Some((moment.era, moment.session));
            }
            count += events.len();
            era.last_mut().expect("BUG: a session was begun").extend(events.iter().copied());
        }
        given.take(era);
        (count, given.finish())
    }

    /// Collects the followed events by lane, in the order of the log.
    fn table(&self, log: &[Entry]) -> Table {
        let mut table = Table::default();
        for entry in log.iter().filter(|entry| self.follows(entry)) {
            let lane = table.lanes.entry(self.lane(&entry.place)).or_default();
            table.places.insert(entry.place, lane.len());
            lane.push(entry.place);
        }
        table
    }

    fn follows(&self, entry: &Entry) -> bool {
        entry.place.position > self.start
            && self.filter.matches(
                &entry.aggregate_type,
                &entry.event.event_type,
                None,
                &entry.event.tags,
            )
    }

    fn lane(&self, event: &Handled) -> i64 {
        match self.lanes {
            Lanes::Partitions(count) => event.aggregate.get() % i64::from(count),
            Lanes::Aggregates => event.aggregate.get(),
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    lanes: HashMap<i64, Vec<Handled>>,
    /// The index of each event in its lane.
    places: HashMap<Handled, usize>,
}

#[derive(Debug)]
struct Given<'a> {
    follower: &'a Follower,
    table: &'a Table,
    found: Vec<Violation>,
    /// The number of times that each event was handled.
    times: HashMap<Handled, usize>,
}

impl Given<'_> {
    /// Adds the events that several processes handled at the same time.
    fn take(&mut self, sessions: Vec<Vec<Handled>>) {
        let sets: Vec<BTreeSet<Handled>> =
            sessions.iter().map(|events| events.iter().copied().collect()).collect();
        for (session, events) in sessions.iter().enumerate() {
            let others: Vec<_> =
                sets.iter().enumerate().filter(|(other, _)| *other != session).collect();
            let is_elsewhere =
                |event: &Handled| others.iter().any(|(_, handled)| handled.contains(event));
            self.check_gaps(events, is_elsewhere);
        }
        for event in sessions.into_iter().flatten() {
            *self.times.entry(event).or_default() += 1;
        }
    }

    /// Checks that all earlier events of an event's lane were handled before it, in this session, an earlier era or
    /// another session of the same era.
    fn check_gaps(&mut self, events: &[Handled], is_elsewhere: impl Fn(&Handled) -> bool) {
        let mut next: HashMap<i64, usize> = HashMap::new();
        for event in events {
            let subscription = || self.follower.subscription.clone();
            let Some(&place) = self.table.places.get(event) else {
                let subscription = subscription();
                self.found.push(Violation::NotFollowed { subscription, event: *event });
                continue;
            };
            let lane = self.follower.lane(event);
            let next = next.entry(lane).or_default();
            let skipped = self.table.lanes[&lane].get(*next..place).unwrap_or_default();
            let is_missing =
                |earlier: &&Handled| !self.times.contains_key(earlier) && !is_elsewhere(earlier);
            if let Some(earlier) = skipped.iter().find(is_missing) {
                let (subscription, event) = (subscription(), *event);
                self.found.push(Violation::Overtaken { subscription, event, earlier: *earlier });
            }
            *next = (*next).max(place + 1);
        }
    }

    fn finish(mut self) -> Vec<Violation> {
        let mut lanes: Vec<_> = self.table.lanes.values().flatten().copied().collect();
        lanes.sort_unstable();
        for event in lanes {
            let subscription = || self.follower.subscription.clone();
            match self.times.get(&event).copied().unwrap_or_default() {
                0 if self.follower.until == Until::End => {
                    self.found.push(Violation::Missed { subscription: subscription(), event });
                }
                times if times > 1 && self.follower.repeats == Repeats::None => {
                    let subscription = subscription();
                    self.found.push(Violation::Repeated { subscription, event, times });
                }
                _ => {}
            }
        }
        self.found
    }
}
