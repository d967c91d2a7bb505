//! Words each finding for an operator: what is wrong, where, and what to do about it.

use std::fmt;

use super::{AggregateAt, EventAt, Finding, Numbered};

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
                "the key `{key}` belongs to {holders} aggregates of the type `{aggregate_type}`, among them {first} and {last}; remove the key from all but one, and check that the table still has its unique index"
            ),
            Self::ValueUnclaimed { aggregate, value, holder: None } => write!(
                f,
                "{aggregate} has the unique value `{value}`, but has not claimed it: another may get it as well; restore the row from a backup, or change the value and change it back"
            ),
            Self::ValueUnclaimed { aggregate, value, holder: Some(holder) } => write!(
                f,
                "{aggregate} has the unique value `{value}`, which belongs to the aggregate {holder}; change it on one of them"
            ),
            Self::EventDamaged { event, problem } => {
                write!(f, "the row of {event} is damaged: {problem}; restore it from a backup")
            }
            Self::TagNotIndexed { event, tag } => write!(
                f,
                "{event} has the tag `{tag}`, but the index of tags has no row for it: boundaries overlook the event; restore the row from a backup"
            ),
            Self::TagIndexDamaged { tag, position, problem } => write!(
                f,
                "the index of tags has a row with the number {tag} for the event at position {position}, but {problem}; delete the row if the event is as it was written"
            ),
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
                "{event} has the sequence of another event of its aggregate; remove the event that was not acknowledged, and check that the table still has its unique index"
            ),
            Self::PositionOutOfOrder { event, predecessor } => write!(
                f,
                "{event} comes before its predecessor, which is at position {predecessor}: subscriptions receive the two in the wrong order; restore both from a backup"
            ),
            Self::PositionShared { position, one, other } => write!(
                f,
                "position {position} has two events, {} and {}; restore the log from a backup, and check that the table still has its primary key",
                Numbers(*one),
                Numbers(*other)
            ),
            Self::EventUnreadable { event, problem } => write!(
                f,
                "{event} cannot be read: {problem}; restore the event from a backup if it was changed, or give the type a new version if its shape was changed"
            ),
            Self::EventInapplicable { event, problem } => write!(
                f,
                "{event} makes its aggregate panic: {problem}; restore the event from a backup if it was changed, or correct `Apply`"
            ),
            Self::SnapshotWithoutAggregate { aggregate_id } => write!(
                f,
                "there is a snapshot of the aggregate {aggregate_id}, which does not exist; restore the aggregate from a backup, or delete the snapshot"
            ),
            Self::SnapshotBeyondEnd { aggregate, sequence, last } => write!(
                f,
                "the snapshot of {aggregate} is of sequence {sequence}, but the last event has {last}: events are missing; restore them from a backup"
            ),
            Self::SnapshotUnreadable { aggregate, sequence } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} cannot be read; loads replay without the snapshot; delete it"
            ),
            Self::SnapshotDiffers { aggregate, sequence, field } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} is not the state that its events lead to: the two differ at `{field}`; if the events are as they were written, delete the snapshot, and if `Apply` has changed, raise `snapshot_version`"
            ),
            Self::HashDiffers { event } => write!(
                f,
                "{event} does not match its hash: the event was changed, or the event before it was replaced; restore both from a backup"
            ),
            Self::HashMissing { event } => write!(
                f,
                "{event} has no hash, but earlier events of its aggregate have one: it was written by a program that does not chain events, or without the store"
            ),
            Self::SnapshotOfOtherEvents { aggregate, sequence } => write!(
                f,
                "the snapshot of {aggregate} at sequence {sequence} has the hash of another event; delete the snapshot if the events are as they were written"
            ),
            Self::DigestDiffers { expected, found: Some(found) } => write!(
                f,
                "up to position {}, the digest is {found}, but {expected} was expected: events were changed or cut off; compare with a backup",
                expected.position()
            ),
            Self::DigestDiffers { expected, found: None } => write!(
                f,
                "the digest {expected} was expected, but no event has a hash: this is another log, or it was rebuilt; compare with a backup"
            ),
            Self::CommitDamaged { commit, problem } => {
                write!(
                    f,
                    "the record of commit {commit} is damaged: {problem}; restore the log from a backup"
                )
            }
            Self::SubscriptionDamaged { subscription, problem } => write!(
                f,
                "the subscription `{subscription}` is damaged: {problem}; delete it, and let it start again at its old position"
            ),
            Self::PartitionDamaged { subscription, partition, problem } => write!(
                f,
                "partition {partition} of the subscription `{subscription}` is damaged: {problem}; delete the subscription, and let it start again at its old position"
            ),
            Self::CursorBeyondEnd { subscription, partition, cursor, last } => write!(
                f,
                "partition {partition} of the subscription `{subscription}` is at position {cursor}, but the log ends at {last}: it would miss the events that are written up to there; restore the end of the log, or reset the subscription"
            ),
            Self::LeaseDamaged { subscription, partition, problem } => write!(
                f,
                "the lease of partition {partition} of the subscription `{subscription}` is damaged: {problem}; reset the subscription to its present position"
            ),
            Self::ParkedMissing { subscription, position, lane } => write!(
                f,
                "the subscription `{subscription}` has parked the event at position {position} in the lane {lane}, but that event does not exist or belongs to another lane; restore the log from a backup"
            ),
            Self::ParkedAhead { subscription, position, cursor: Some(cursor) } => write!(
                f,
                "the subscription `{subscription}` has parked the event at position {position}, but its cursor is at {cursor}: the cursor was moved back by hand; redrive the parked events, then reset the subscription"
            ),
            Self::ParkedAhead { subscription, position, cursor: None } => write!(
                f,
                "the subscription `{subscription}`, which has parked the event at position {position}, lacks the partition that it belongs to; delete the subscription, and let it start again at its old position"
            ),
            Self::NumbersBehind { of, last_given, in_use } => write!(
                f,
                "{of} are in use up to {in_use}, but the database continues after {last_given}, and would assign them again; set its counter to {in_use} before anything is written"
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
