//! The events that writers write: ledgers whose entries carry the number of the attempt that wrote them.

use evercore::{
    Aggregate, AggregateId, Apply, EventMeta, Position, RecordedEvent, Sequence, event,
};
use serde::{Deserialize, Serialize};

/// A list of entries.
#[derive(Aggregate, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(snapshot_every = 10)]
pub(crate) struct Ledger {
    entries: usize,
}

/// An entry in a ledger.
#[event(aggregate = Ledger)]
pub(crate) struct Entered {
    /// The number of the attempt that wrote it, unique to that attempt.
    pub(crate) attempt: i64,
}

impl Apply<Entered> for Ledger {
    fn apply(&mut self, _event: &Entered, _meta: &EventMeta) {
        self.entries += 1;
    }
}

/// The identity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) aggregate: AggregateId,
    pub(crate) sequence: Sequence,
}

impl From<&RecordedEvent> for Entry {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            position: event.position(),
            aggregate: event.aggregate_id(),
            sequence: event.sequence(),
        }
    }
}

impl Entry {
    /// Checks numbers that were stored outside the log.
    pub(crate) fn new(position: i64, aggregate: i64, sequence: i64) -> evercore::Result<Self> {
        Ok(Self {
            position: Position::new(position)?,
            aggregate: AggregateId::new(aggregate)?,
            sequence: Sequence::new(sequence)?,
        })
    }

    /// Returns whether the parking handler fails on this event until it is mended. That is an aggregate's third event,
    /// so that some events are handled before it and later ones must wait behind it.
    pub(crate) fn is_bad(&self) -> bool {
        self.aggregate.get() % 4 == 1 && self.sequence.get() % 5 == 3
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, aggregate, sequence } = self;
        write!(f, "the event at position {position} (aggregate {aggregate}, sequence {sequence})")
    }
}
