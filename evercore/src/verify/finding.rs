//! Defines the inconsistencies that a verification can find.

mod words;

use crate::engine::EventKey;
use crate::{CommitId, LogDigest};

/// An inconsistency in the stored data. Its `Display` says what is wrong, where, and what to do about it.
///
/// Numbers are given as they are stored: a damaged one may be outside the range that a store would write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The row of an aggregate cannot be read, or its id is stored twice.
    AggregateDamaged {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// A natural key is not valid.
    KeyDamaged {
        /// The name of its owner.
        aggregate: AggregateAt,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// Several aggregates of a type have the same natural key.
    KeyShared {
        /// The stored name of the type.
        aggregate_type: String,
        /// The key.
        key: String,
        /// The number of aggregates that hold it.
        holders: u64,
        /// The lowest id among them.
        first: i64,
        /// The highest id among them.
        last: i64,
    },
    /// An aggregate has a unique value that it has not claimed.
    ValueUnclaimed {
        /// The aggregate.
        aggregate: AggregateAt,
        /// The name, a colon and the value.
        value: String,
        /// The aggregate that has claimed it.
        holder: Option<i64>,
    },
    /// The row of an event cannot be read.
    EventDamaged {
        /// The position of the event.
        event: EventAt,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// The index of tags lacks a row for a tag of an event.
    TagNotIndexed {
        /// The position of the event.
        event: EventAt,
        /// The tag.
        tag: String,
    },
    /// The index of tags has a row that it should not have.
    TagIndexDamaged {
        /// The number of the tag.
        tag: i64,
        /// The position that the row names.
        position: i64,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// The aggregate of an event does not exist.
    EventWithoutAggregate {
        /// The position of the event.
        event: EventAt,
    },
    /// The type of an event belongs to another aggregate type than its aggregate has.
    EventOfAnotherType {
        /// The position of the event.
        event: EventAt,
        /// The aggregate type that its own type belongs to.
        found: String,
    },
    /// Events of an aggregate are missing.
    SequenceMissing {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The first missing sequence.
        first: i64,
        /// The last missing sequence.
        last: i64,
    },
    /// Two events of an aggregate have the same sequence.
    SequenceRepeated {
        /// The event that comes later in the log.
        event: EventAt,
    },
    /// An event comes before its predecessor in the log.
    PositionOutOfOrder {
        /// The position of the event.
        event: EventAt,
        /// The position of its predecessor.
        predecessor: i64,
    },
    /// Two events have the same position.
    PositionShared {
        /// The position.
        position: i64,
        /// The aggregate and the sequence of one.
        one: (i64, i64),
        /// The aggregate and the sequence of the other.
        other: (i64, i64),
    },
    /// An event of a type that this program knows cannot be decoded.
    EventUnreadable {
        /// The position of the event.
        event: EventAt,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// The aggregate's `Apply` panicked on an event.
    EventInapplicable {
        /// The position of the event.
        event: EventAt,
        /// The message of the panic.
        problem: String,
    },
    /// A snapshot belongs to an aggregate that does not exist.
    SnapshotWithoutAggregate {
        /// The aggregate's id.
        aggregate_id: i64,
    },
    /// A snapshot contains events that do not exist.
    SnapshotBeyondEnd {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The sequence of the last event that the snapshot contains.
        sequence: i64,
        /// The sequence of the last event that exists.
        last: i64,
    },
    /// A snapshot of the shape that this program reads cannot be decoded.
    SnapshotUnreadable {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The sequence of the last event that the snapshot contains.
        sequence: i64,
    },
    /// A snapshot differs from the state that its events lead to.
    SnapshotDiffers {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The sequence of the last event that the snapshot contains.
        sequence: i64,
        /// The first field that differs, as `address.city`; `.` for the whole state.
        field: String,
    },
    /// The hash of an event does not match the event and the one before it.
    HashDiffers {
        /// The position of the event.
        event: EventAt,
    },
    /// An event has no hash, and an earlier event of its aggregate has one.
    HashMissing {
        /// The position of the event.
        event: EventAt,
    },
    /// A snapshot has the hash of another event than the last one that it contains.
    SnapshotOfOtherEvents {
        /// The aggregate's id.
        aggregate: AggregateAt,
        /// The sequence of the last event that the snapshot contains.
        sequence: i64,
    },
    /// The chained events up to a position have another digest than was expected.
    DigestDiffers {
        /// The expected digest.
        expected: LogDigest,
        /// The digest that was found; `None` if no event is chained.
        found: Option<LogDigest>,
    },
    /// The record of a commit refers to events that do not exist, or contradicts itself.
    CommitDamaged {
        /// The commit.
        commit: CommitId,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// The row of a subscription cannot be read.
    SubscriptionDamaged {
        /// Its name.
        subscription: String,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// A partition of a subscription is missing, or should not exist.
    PartitionDamaged {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// A cursor is past the last event.
    CursorBeyondEnd {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// The position of the cursor.
        cursor: i64,
        /// The position of the last event.
        last: i64,
    },
    /// A lease contradicts itself, such as one with an owner and without an end.
    LeaseDamaged {
        /// The subscription's name.
        subscription: String,
        /// The number of the partition, from 0.
        partition: i64,
        /// The problem, as part of a sentence.
        problem: String,
    },
    /// A parked event does not exist, or belongs to another lane.
    ParkedMissing {
        /// The subscription's name.
        subscription: String,
        /// The position that it should have.
        position: i64,
        /// The lane that it should belong to: the id of its aggregate, or the number of a tag.
        lane: i64,
    },
    /// A parked event lies after the cursor of its partition.
    ParkedAhead {
        /// The subscription's name.
        subscription: String,
        /// The position of the event.
        position: i64,
        /// The cursor of its partition; `None` if there is no such partition.
        cursor: Option<i64>,
    },
    /// Numbers that are in use would be given out again.
    NumbersBehind {
        /// The kind of numbers.
        of: Numbered,
        /// The last number that was given out, as far as the database knows.
        last_given: i64,
        /// The highest number in use.
        in_use: i64,
    },
}

/// The kinds of numbers that the database gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Numbered {
    /// The positions of events.
    Positions,
    /// The ids of aggregates.
    Aggregates,
    /// The tokens of leases.
    Leases,
}

/// Identifies an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateAt {
    /// The stored name of its type, if it has one.
    pub aggregate_type: Option<String>,
    /// Its id.
    pub id: i64,
}

/// Identifies an event.
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
    pub(super) fn event(&self, place: EventKey) -> EventAt {
        let EventKey { sequence, position, .. } = place;
        EventAt { aggregate: self.clone(), sequence, position }
    }
}
