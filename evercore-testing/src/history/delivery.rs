//! What handlers were given, compared with the log.

use std::collections::{BTreeSet, HashMap};

use evercore::{EventFilter, Position};

use super::evidence::Entry;
use super::observation::{Handled, Observation};
use super::sessions::History;
use super::violation::Violation;

/// A subscription, and what its handler should have been given.
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

/// Whether an event may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It may: the handler has no part in the transaction that records it.
    Allowed,
    /// What the handler writes takes effect exactly once.
    None,
}

/// What has to be in order.
#[derive(Clone, Copy, Debug)]
enum Lanes {
    /// The events of a partition.
    Partitions(u32),
    /// Those of an aggregate.
    Aggregates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    End,
    Anywhere,
}

impl Follower {
    /// A subscription to all events from the beginning, in one partition, whose events may come again, and which has
    /// reached the end of the log.
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

    /// Sets which events it follows.
    ///
    /// # Panics
    /// If the filter has a natural key: which aggregate held it when an event was read is not in the log.
    pub fn filter(mut self, filter: EventFilter) -> Self {
        assert!(filter.natural_key().is_none(), "whose key it was cannot be told afterwards");
        self.filter = filter;
        self
    }

    /// Sets after which position it starts.
    pub const fn after(mut self, start: Position) -> Self {
        self.start = start;
        self
    }

    /// Sets the number of its partitions, at least 1. Within each, the order is that of the log.
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.lanes = Lanes::Partitions(partitions);
        self
    }

    /// Has the order hold within each aggregate only, as it does where events are parked and redriven.
    pub const fn by_aggregate(mut self) -> Self {
        self.lanes = Lanes::Aggregates;
        self
    }

    /// Sets whether events may come again.
    pub const fn repeats(mut self, repeats: Repeats) -> Self {
        self.repeats = repeats;
        self
    }

    /// Lets it be behind the end of the log.
    pub const fn unfinished(mut self) -> Self {
        self.until = Until::Anywhere;
        self
    }

    /// What is wrong with what its handler was given, and how many events that were.
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

    /// What it follows, by lane and in the order of the log.
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
            && self.filter.matches(&entry.aggregate_type, &entry.event.event_type, None)
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
    /// Where in its lane an event is.
    places: HashMap<Handled, usize>,
}

#[derive(Debug)]
struct Given<'a> {
    follower: &'a Follower,
    table: &'a Table,
    found: Vec<Violation>,
    /// How often each event was handled.
    times: HashMap<Handled, usize>,
}

impl Given<'_> {
    /// What some processes were given at the same time.
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

    /// Whatever stands before an event in its lane was handled before it, here, earlier, or elsewhere.
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
