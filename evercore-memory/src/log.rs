//! Holds the stored data. Data that an open view may still need are never overwritten.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercore::engine::{IdempotentOutcome, NewSnapshot};
use evercore::{
    AggregateId, CommitId, CommitOutcome, IdempotencyKey, NaturalKey, Position, RecordedEvent,
    Sequence,
};
use foldhash::{HashMap, HashSet};

use crate::commands::Commands;
use crate::tagging::Declared;
use crate::tags::TagIndex;
use crate::tasks::Tasks;
use crate::unique::UniqueValues;

/// All committed data.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// All events; an event's position is its index plus one.
    pub(crate) events: Vec<RecordedEvent>,
    /// All aggregates by id. New ids come after old ones, so that the tree grows at its end.
    pub(crate) aggregates: BTreeMap<AggregateId, StoredAggregate>,
    /// The events by their tags.
    pub(crate) tags: TagIndex,
    /// The tags that programs have declared.
    pub(crate) declared: Declared,
    /// The names of event types, each once.
    pub(crate) event_types: HashSet<Arc<str>>,
    /// The names of aggregate types that are registered or stored.
    pub(crate) aggregate_types: HashSet<Arc<str>>,
    /// The holders of each natural key over time.
    pub(crate) keys: HashMap<(Arc<str>, NaturalKey), History<Option<AggregateId>>>,
    /// The holders of each unique value over time.
    pub(crate) unique: UniqueValues,
    /// The declared names of unique values, each with the id up to which they are claimed, and whether all are.
    pub(crate) unique_names: BTreeMap<(Arc<str>, Box<str>), (i64, bool)>,
    /// The outcomes of commits. New ids come after old ones here, too.
    pub(crate) outcomes: BTreeMap<CommitId, CommitOutcome>,
    /// The commit that was stored with each idempotency key.
    pub(crate) firsts: HashMap<IdempotencyKey, IdempotentOutcome>,
    pub(crate) tasks: Tasks,
    pub(crate) commands: Commands,
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

/// A state of the log, as the number of commits before it.
pub(crate) type Version = u64;

/// The values of something over time, each with the version that set it.
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

    /// Returns the value at a version.
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

    /// Returns the aggregate that holds a key now.
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
    /// Returns the sequence of its last event.
    pub(crate) fn sequence(&self) -> Sequence {
        sequence(self.events.len())
    }

    /// Returns its current key.
    pub(crate) fn current_key(&self) -> Option<&NaturalKey> {
        self.key.at(Version::MAX).and_then(Option::as_ref)
    }
}

/// Returns the index in [`Log::events`] of a position.
pub(crate) fn index(position: Position) -> usize {
    usize::try_from(position.get() - 1).expect("BUG: positions in memory start at 1")
}

/// Returns the position of the `count`th event.
pub(crate) fn position(count: usize) -> Position {
    i64::try_from(count).ok().and_then(|count| Position::new(count).ok()).expect("BUG: a count")
}

/// Returns the sequence of an aggregate's `count`th event.
pub(crate) fn sequence(count: usize) -> Sequence {
    i64::try_from(count).ok().and_then(|count| Sequence::new(count).ok()).expect("BUG: a count")
}

/// Converts a sequence to a count of events.
pub(crate) fn count(sequence: Sequence) -> usize {
    usize::try_from(sequence.get()).unwrap_or(usize::MAX)
}
