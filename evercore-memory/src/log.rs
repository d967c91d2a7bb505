//! What is stored. Nothing is overwritten that an open view may still need.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercore::engine::{CommitOutcome, FirstOutcome, NewSnapshot};
use evercore::{
    AggregateId, CommitId, IdempotencyKey, NaturalKey, Position, RecordedEvent, Sequence,
};
use foldhash::{HashMap, HashSet};

/// Everything that was committed.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// An event's position is its index plus one.
    pub(crate) events: Vec<RecordedEvent>,
    /// New ids come after old ones, so that the tree grows at its end.
    pub(crate) aggregates: BTreeMap<AggregateId, StoredAggregate>,
    /// The names of event types, each once.
    pub(crate) event_types: HashSet<Arc<str>>,
    /// The types that there are or may be aggregates of.
    pub(crate) aggregate_types: HashSet<Arc<str>>,
    /// Who held a key since when.
    pub(crate) keys: HashMap<(Arc<str>, NaturalKey), History<Option<AggregateId>>>,
    /// So do these.
    pub(crate) outcomes: BTreeMap<CommitId, CommitOutcome>,
    /// What landed with a key.
    pub(crate) firsts: HashMap<IdempotencyKey, FirstOutcome>,
    /// The number of commits so far.
    pub(crate) version: Version,
    /// The highest aggregate id that was given out.
    pub(crate) last_id: i64,
}

#[derive(Debug)]
pub(crate) struct StoredAggregate {
    pub(crate) aggregate_type: Arc<str>,
    pub(crate) created: Version,
    pub(crate) key: History<Option<NaturalKey>>,
    /// Positions, in sequence order.
    pub(crate) events: Vec<Position>,
    pub(crate) snapshot: Option<NewSnapshot>,
}

/// A moment in the life of the log.
pub(crate) type Version = u64;

/// The values that something has had, each with the version that set it.
#[derive(Debug)]
pub(crate) struct History<T>(Vec<(Version, T)>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> History<T> {
    pub(crate) fn set(&mut self, version: Version, value: T) {
        self.0.push((version, value));
    }

    /// The value at a version.
    pub(crate) fn at(&self, version: Version) -> Option<&T> {
        self.0.iter().rev().find(|(set, _)| *set <= version).map(|(_, value)| value)
    }
}

impl Log {
    pub(crate) fn head(&self) -> Position {
        position(self.events.len())
    }

    pub(crate) fn event(&self, position: Position) -> &RecordedEvent {
        &self.events[index(position)]
    }

    /// The aggregate that holds a key now.
    pub(crate) fn holder(
        &self,
        aggregate_type: &Arc<str>,
        key: &NaturalKey,
    ) -> Option<AggregateId> {
        let holders = self.keys.get(&(Arc::clone(aggregate_type), key.clone()))?;
        holders.at(self.version).copied().flatten()
    }
}

impl StoredAggregate {
    /// Its last event's number.
    pub(crate) fn sequence(&self) -> Sequence {
        sequence(self.events.len())
    }

    /// Its key now.
    pub(crate) fn current_key(&self) -> Option<&NaturalKey> {
        self.key.at(Version::MAX).and_then(Option::as_ref)
    }
}

/// The index in [`Log::events`] of a position.
pub(crate) fn index(position: Position) -> usize {
    usize::try_from(position.get() - 1).expect("BUG: positions in memory start at 1")
}

/// The position of the `count`th event.
pub(crate) fn position(count: usize) -> Position {
    i64::try_from(count).ok().and_then(|count| Position::new(count).ok()).expect("BUG: a count")
}

/// The sequence of an aggregate's `count`th event.
pub(crate) fn sequence(count: usize) -> Sequence {
    i64::try_from(count).ok().and_then(|count| Sequence::new(count).ok()).expect("BUG: a count")
}

/// A count of events from a sequence.
pub(crate) fn count(sequence: Sequence) -> usize {
    usize::try_from(sequence.get()).unwrap_or(usize::MAX)
}
