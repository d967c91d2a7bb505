//! What can be wrong with what is stored.

mod words;

use crate::engine::EventPlaced;
use crate::{CommitId, LogDigest};

/// Something that is stored and cannot be right. Its `Display` says what, where, and what to do about it.
///
/// Numbers are as the rows have them: a damaged one may be none that the store would give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The row of an aggregate cannot be read, or is there twice.
    AggregateDamaged {
        /// The aggregate.
        aggregate: AggregateAt,
        /// What is wrong.
        problem: String,
    },
    /// A natural key that cannot be one.
    KeyDamaged {
        /// Who holds it.
        aggregate: AggregateAt,
        /// What is wrong.
        problem: String,
    },
    /// Several aggregates of a type hold one natural key.
    KeyShared {
        /// The stored name of the type.
        aggregate_type: String,
        /// The key.
        key: String,
        /// How many hold it.
        holders: u64,
        /// The lowest id among them.
        first: i64,
        /// The highest id among them.
        last: i64,
    },
    /// The row of an event cannot be read.
    EventDamaged {
        /// The event.
        event: EventAt,
        /// What is wrong.
        problem: String,
    },
    /// There is no aggregate that the event could belong to.
    EventWithoutAggregate {
        /// The event.
        event: EventAt,
    },
    /// The event is of the type of other aggregates.
    EventOfAnotherType {
        /// The event.
        event: EventAt,
        /// The aggregate type that its own type belongs to.
        found: String,
    },
    /// Events of an aggregate are not there.
    SequenceMissing {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The first that is missing.
        first: i64,
        /// The last that is missing.
        last: i64,
    },
    /// Another event of the aggregate has the sequence.
    SequenceRepeated {
        /// The later one in the log.
        event: EventAt,
    },
    /// The event stands before its predecessor in the log.
    PositionOutOfOrder {
        /// The event.
        event: EventAt,
        /// The position of its predecessor.
        predecessor: i64,
    },
    /// Two events have one position.
    PositionShared {
        /// The position.
        position: i64,
        /// The aggregate and the sequence of one.
        one: (i64, i64),
        /// The aggregate and the sequence of the other.
        other: (i64, i64),
    },
    /// The event is of a type that this program knows, and cannot be read as such.
    EventUnreadable {
        /// The event.
        event: EventAt,
        /// What is wrong.
        problem: String,
    },
    /// The state panicked where the event was applied to it.
    EventInapplicable {
        /// The event.
        event: EventAt,
        /// What the panic said.
        problem: String,
    },
    /// A snapshot of an aggregate that is not there.
    SnapshotWithoutAggregate {
        /// The aggregate's id.
        aggregate_id: i64,
    },
    /// A snapshot that contains events which are not there.
    SnapshotBeyondEnd {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The last event that the snapshot contains.
        sequence: i64,
        /// The last event that is there.
        last: i64,
    },
    /// A snapshot of the shape that this program reads, and it cannot be read.
    SnapshotUnreadable {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The last event that the snapshot contains.
        sequence: i64,
    },
    /// A snapshot that is not the state that its events lead to.
    SnapshotDiffers {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The last event that the snapshot contains.
        sequence: i64,
        /// The first field that differs, as `address.city`; `.` for the whole state.
        field: String,
    },
    /// The event, or the one before it, is not what its hash was made of.
    HashDiffers {
        /// The event.
        event: EventAt,
    },
    /// An event without a hash after one that has it.
    HashMissing {
        /// The event.
        event: EventAt,
    },
    /// A snapshot that was taken of other events.
    SnapshotOfOtherEvents {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The last event that the snapshot contains.
        sequence: i64,
    },
    /// What is chained up to a position has another digest than was expected.
    DigestDiffers {
        /// What was expected.
        expected: LogDigest,
        /// What it is; `None` if nothing is chained.
        found: Option<LogDigest>,
    },
    /// A commit that refers to what is not there, or that says what cannot be.
    CommitDamaged {
        /// The commit.
        commit: CommitId,
        /// What is wrong.
        problem: String,
    },
    /// The row of a subscription cannot be read.
    SubscriptionDamaged {
        /// Its name.
        subscription: String,
        /// What is wrong.
        problem: String,
    },
    /// A partition of a subscription is not there, or should not be.
    PartitionDamaged {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// What is wrong.
        problem: String,
    },
    /// A cursor that is past the last event.
    CursorBeyondEnd {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// Where the cursor stands.
        cursor: i64,
        /// The position of the last event.
        last: i64,
    },
    /// A lease that cannot be one.
    LeaseDamaged {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// What is wrong.
        problem: String,
    },
    /// A parked event that is not there, or is another one.
    ParkedMissing {
        /// The subscription's name.
        subscription: String,
        /// The position at which it should be.
        position: i64,
        /// The aggregate that it should belong to.
        aggregate_id: i64,
    },
    /// A parked event that its subscription has not come to.
    ParkedAhead {
        /// The subscription's name.
        subscription: String,
        /// The position of the event.
        position: i64,
        /// The cursor of its partition; `None` if there is no such partition.
        cursor: Option<i64>,
    },
    /// Numbers that are in use would be given again.
    NumbersBehind {
        /// What they number.
        of: Numbered,
        /// The last one that was given, as far as the database knows.
        last_given: i64,
        /// The highest one that is in use.
        in_use: i64,
    },
}

/// What is numbered by the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Numbered {
    /// Events, by their positions.
    Positions,
    /// Aggregates, by their ids.
    Aggregates,
    /// Leases, by their tokens.
    Leases,
}

/// Where an aggregate is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateAt {
    /// The stored name of its type, if it has one.
    pub aggregate_type: Option<String>,
    /// Its id.
    pub id: i64,
}

/// Where an event is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventAt {
    /// Its aggregate.
    pub aggregate: AggregateAt,
    /// The number within the aggregate.
    pub sequence: i64,
    /// The place in the global log.
    pub position: i64,
}

impl AggregateAt {
    pub(super) fn event(&self, place: EventPlaced) -> EventAt {
        let EventPlaced { sequence, position, .. } = place;
        EventAt { aggregate: self.clone(), sequence, position }
    }
}
