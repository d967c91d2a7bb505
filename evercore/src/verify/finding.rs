//! What can be wrong with what is stored.

use std::fmt;

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

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AggregateDamaged { aggregate, problem } => {
                write!(f, "the row of {aggregate} is damaged: {problem}; restore it from a backup")
            }
            Self::KeyDamaged { aggregate, problem } => write!(
                f,
                "the natural key of {aggregate} is damaged: {problem}; restore it from a backup"
            ),
            Self::KeyShared { aggregate_type, key, holders, first, last } => write!(
                f,
                "the key `{key}` belongs to {holders} aggregates of the type `{aggregate_type}`, among them {first} and {last}; take it from all but one, and check that the table still has its unique index"
            ),
            Self::EventDamaged { event, problem } => {
                write!(f, "the row of {event} is damaged: {problem}; restore it from a backup")
            }
            Self::EventWithoutAggregate { event } => write!(
                f,
                "{event} belongs to no aggregate; restore the aggregate's row from a backup"
            ),
            Self::EventOfAnotherType { event, found } => {
                write!(f, "{event} has the type of an event of `{found}`; restore it from a backup")
            }
            Self::SequenceMissing { aggregate, first, last } if first == last => {
                write!(f, "{aggregate} lacks the event {first}; restore it from a backup")
            }
            Self::SequenceMissing { aggregate, first, last } => {
                write!(
                    f,
                    "{aggregate} lacks the events {first} to {last}; restore them from a backup"
                )
            }
            Self::SequenceRepeated { event } => write!(
                f,
                "{event} has the sequence of another event of its aggregate; remove the one that was not acknowledged, and check that the table still has its unique index"
            ),
            Self::PositionOutOfOrder { event, predecessor } => write!(
                f,
                "{event} comes before its predecessor, which is at position {predecessor}: subscriptions are given them in the wrong order; restore them from a backup"
            ),
            Self::PositionShared { position, one, other } => write!(
                f,
                "at position {position} are two events, {} and {}; restore the log from a backup, and check that the table still has its primary key",
                Numbers(*one),
                Numbers(*other)
            ),
            Self::EventUnreadable { event, problem } => write!(
                f,
                "{event} cannot be read: {problem}; restore it from a backup if it was changed, or give the type a new version if its shape was"
            ),
            Self::EventInapplicable { event, problem } => write!(
                f,
                "{event} makes its aggregate panic: {problem}; restore it from a backup if it was changed, or correct `Apply`"
            ),
            Self::SnapshotWithoutAggregate { aggregate_id } => write!(
                f,
                "there is a snapshot of the aggregate {aggregate_id}, which is not there; restore the aggregate from a backup, or delete the snapshot"
            ),
            Self::SnapshotBeyondEnd { aggregate, sequence, last } => write!(
                f,
                "the snapshot of {aggregate} is of sequence {sequence}, and its last event has {last}: events are missing; restore them from a backup"
            ),
            Self::SnapshotUnreadable { aggregate, sequence } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} cannot be read; loads do without it; delete it"
            ),
            Self::SnapshotDiffers { aggregate, sequence, field } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} is not what its events lead to: it differs at `{field}`; if the events are as they were written, delete the snapshot, and if `Apply` has changed, raise `snapshot_version`"
            ),
            Self::HashDiffers { event } => write!(
                f,
                "{event} has the hash of another one: it was changed, or the one before it was exchanged; restore both from a backup"
            ),
            Self::HashMissing { event } => write!(
                f,
                "{event} has no hash, and earlier ones of its aggregate have: it was written by a program that does not chain events, or behind the store's back"
            ),
            Self::SnapshotOfOtherEvents { aggregate, sequence } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} has the hash of another event; delete the snapshot if the events are as they were written"
            ),
            Self::DigestDiffers { expected, found: Some(found) } => write!(
                f,
                "up to position {}, the digest is {found}, and {expected} was expected: events were changed or cut off; compare with a backup",
                expected.position()
            ),
            Self::DigestDiffers { expected, found: None } => write!(
                f,
                "the digest {expected} was expected, and no event has a hash: the log is another one, or was made anew; compare with a backup"
            ),
            Self::CommitDamaged { commit, problem } => {
                write!(
                    f,
                    "the record of commit {commit} is damaged: {problem}; restore the log from a backup"
                )
            }
            Self::SubscriptionDamaged { subscription, problem } => write!(
                f,
                "the subscription `{subscription}` is damaged: {problem}; delete it and let it start where it was"
            ),
            Self::PartitionDamaged { subscription, partition, problem } => write!(
                f,
                "partition {partition} of the subscription `{subscription}` is damaged: {problem}; delete the subscription and let it start where it was"
            ),
            Self::CursorBeyondEnd { subscription, partition, cursor, last } => write!(
                f,
                "partition {partition} of the subscription `{subscription}` stands at position {cursor}, and the log ends at {last}: it would miss what is written up to there; restore the end of the log, or reset the subscription"
            ),
            Self::LeaseDamaged { subscription, partition, problem } => write!(
                f,
                "the lease of partition {partition} of the subscription `{subscription}` is damaged: {problem}; reset the subscription to where it stands"
            ),
            Self::ParkedMissing { subscription, position, aggregate_id } => write!(
                f,
                "the subscription `{subscription}` has parked the event at position {position} of the aggregate {aggregate_id}, which is not there; restore the log from a backup"
            ),
            Self::ParkedAhead { subscription, position, cursor: Some(cursor) } => write!(
                f,
                "the subscription `{subscription}` has parked the event at position {position}, and stands at {cursor}: it was set back by hand; redrive what is parked, then reset the subscription"
            ),
            Self::ParkedAhead { subscription, position, cursor: None } => write!(
                f,
                "the subscription `{subscription}`, which has parked the event at position {position}, lacks the partition that it belongs to; delete the subscription and let it start where it was"
            ),
            Self::NumbersBehind { of, last_given, in_use } => write!(
                f,
                "{of} are in use up to {in_use}, and the database goes on after {last_given}: it would give them again; set it to {in_use} before anything is written"
            ),
        }
    }
}

struct Numbers((i64, i64));

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (aggregate, sequence) = self.0;
        write!(f, "{aggregate}/{sequence}")
    }
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positions => "positions of events",
            Self::Aggregates => "ids of aggregates",
            Self::Leases => "tokens of leases",
        })
    }
}

impl fmt::Display for AggregateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.aggregate_type {
            Some(name) => write!(f, "`{name}` {}", self.id),
            None => write!(f, "aggregate {}", self.id),
        }
    }
}

impl fmt::Display for EventAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aggregate, sequence, position } = self;
        write!(f, "the event {sequence} of {aggregate}, at position {position},")
    }
}
