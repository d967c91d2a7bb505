//! What can be wrong, and where.

use std::fmt;

use evercore::{AggregateId, CommitId, NaturalKey, Position, Sequence};

use super::observation::{Handled, Refusal};

/// A promise that was broken, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The log gives an event after one with the same or a higher position.
    Unordered {
        /// The event.
        position: Position,
        /// The one before it.
        after: Position,
    },
    /// The sequences of an aggregate have a hole or a repetition.
    Sequence {
        /// The event.
        event: Handled,
        /// The sequence that it should have.
        expected: Sequence,
    },
    /// An event that no commit of the history has written.
    Unclaimed {
        /// The event.
        event: Handled,
        /// The commit that it names.
        commit: Option<CommitId>,
    },
    /// A commit was acknowledged or asked for, and never begun: a part of the history is missing.
    NeverBegun {
        /// The commit.
        commit: CommitId,
    },
    /// A commit was acknowledged, and is not there as a whole.
    Lost {
        /// The commit.
        commit: CommitId,
        /// How many of its events are there.
        present: usize,
        /// How many it has.
        of: usize,
    },
    /// A commit was not acknowledged, and is there in part.
    Torn {
        /// The commit.
        commit: CommitId,
        /// How many of its events are there.
        present: usize,
        /// How many it has.
        of: usize,
    },
    /// A commit has landed more than once.
    Doubled {
        /// The commit.
        commit: CommitId,
        /// How many of its events are there.
        present: usize,
        /// How many it has.
        of: usize,
    },
    /// A commit was refused, and is there.
    Refused {
        /// The commit.
        commit: CommitId,
        /// Why it was refused.
        reason: Refusal,
        /// The first of its events.
        position: Position,
    },
    /// An event is not what its commit was to write at this place.
    Altered {
        /// The commit.
        commit: CommitId,
        /// The event.
        event: Handled,
    },
    /// A commit was acknowledged with other positions than it has.
    Misplaced {
        /// The commit.
        commit: CommitId,
        /// What the client was told.
        told: Option<(Position, Position)>,
        /// Where it is.
        found: Option<(Position, Position)>,
    },
    /// Whether a commit has landed is answered otherwise than its client was told, or than the log shows.
    Outcome {
        /// The commit.
        commit: CommitId,
        /// Whether it has landed, by the answer to that question.
        landed: bool,
    },
    /// A commit was decided on one state of an aggregate, and has landed on another.
    Stale {
        /// The commit.
        commit: CommitId,
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence that it was decided on.
        decided_on: Sequence,
        /// The sequence of its first event of the aggregate.
        written: Sequence,
    },
    /// A commit began after another was acknowledged, and does not have the higher position.
    Early {
        /// The commit.
        commit: CommitId,
        /// The position of its first event.
        position: Position,
        /// The one that was acknowledged before.
        acknowledged: CommitId,
        /// The position of that one's last event.
        at: Position,
    },
    /// Two commits have landed with one idempotency key.
    IdempotencyKey {
        /// The key.
        key: String,
        /// One commit.
        first: CommitId,
        /// The other.
        second: CommitId,
    },
    /// There is no order of the commits in which each was decided on what was true.
    NoOrder {
        /// How many commits can be put in order.
        after: usize,
        /// Those of which one would have to come next, each with what stands in its way.
        stuck: Vec<(CommitId, Obstacle)>,
    },
    /// There may be an order of the commits, or none: it was not found in this many steps.
    Undecided {
        /// The steps.
        steps: usize,
    },
    /// An aggregate is stored, and no commit has created it; or the other way round.
    Existence {
        /// The aggregate.
        aggregate: AggregateId,
        /// Whether it is stored.
        stored: bool,
    },
    /// An aggregate has another key than the commits have left it.
    Key {
        /// The aggregate.
        aggregate: AggregateId,
        /// The key that it should have.
        expected: Option<NaturalKey>,
        /// The key that it has.
        found: Option<NaturalKey>,
    },
    /// A key leads to another aggregate than the one that holds it.
    Holder {
        /// The aggregate type.
        aggregate_type: String,
        /// The key.
        key: NaturalKey,
        /// The aggregate that should be found.
        expected: Option<AggregateId>,
        /// The one that is.
        found: Option<AggregateId>,
    },
    /// The state of an aggregate, from a snapshot, is not that of a full replay.
    State {
        /// The aggregate.
        aggregate: AggregateId,
    },
    /// A handler was never given an event.
    Missed {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
    },
    /// A handler was given an event more than once, where it is to take effect exactly once.
    Repeated {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
        /// How often.
        times: usize,
    },
    /// A handler was given an event before an earlier one.
    Overtaken {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
        /// The earlier one, which was not handled before.
        earlier: Handled,
    },
    /// A handler was given an event that is not in the log, or that its subscription does not follow.
    NotFollowed {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
    },
}

/// What keeps a commit from being the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// It is to create an aggregate that exists.
    Exists(AggregateId),
    /// It needs an aggregate that does not exist, or is of another type.
    Missing(AggregateId),
    /// It needs an aggregate at another sequence.
    Sequence {
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence that it needs.
        needed: Sequence,
        /// Where the aggregate stands.
        found: Sequence,
    },
    /// It needs an aggregate with another key.
    Key {
        /// The aggregate.
        aggregate: AggregateId,
        /// The key that it needs.
        needed: Option<NaturalKey>,
        /// The key that the aggregate has.
        found: Option<NaturalKey>,
    },
    /// It claims a key that another aggregate holds.
    Taken {
        /// The key.
        key: NaturalKey,
        /// The aggregate that holds it.
        holder: AggregateId,
    },
    /// It writes to an aggregate at a sequence that commits were decided on which can come only later.
    Needed {
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence.
        sequence: Sequence,
    },
}

impl fmt::Display for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, aggregate, sequence } = self;
        write!(f, "the event at position {position} (aggregate {aggregate}, sequence {sequence})")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unordered { position, after } => {
                write!(f, "the log gives position {position} after {after}")
            }
            Self::Sequence { event, expected } => {
                write!(f, "{event} should have the sequence {expected}")
            }
            Self::Unclaimed { event, commit: None } => write!(f, "{event} names no commit"),
            Self::Unclaimed { event, commit: Some(commit) } => {
                write!(f, "{event} is of commit {commit}, which nobody has sent")
            }
            Self::NeverBegun { commit } => {
                write!(f, "commit {commit} was acknowledged, and nobody has sent it")
            }
            Self::Lost { commit, present, of } => {
                write!(
                    f,
                    "commit {commit} was acknowledged, and {present} of its {of} events are there"
                )
            }
            Self::Torn { commit, present, of } => {
                write!(f, "commit {commit} is there in part: {present} of its {of} events")
            }
            Self::Doubled { commit, present, of } => {
                write!(f, "commit {commit} has {of} events, and {present} are there")
            }
            Self::Refused { commit, reason, position } => {
                write!(f, "commit {commit} was refused ({reason:?}), and is there at {position}")
            }
            Self::Altered { commit, event } => {
                write!(f, "{event} is not what commit {commit} was to write there")
            }
            Self::Misplaced { commit, told, found } => {
                let (told, found) = (Span(told), Span(found));
                write!(f, "commit {commit} was acknowledged at {told}, and is at {found}")
            }
            Self::Outcome { commit, landed } => {
                let outcome = if *landed { "landed" } else { "never lands" };
                write!(f, "commit {commit} is said to have {outcome}, which is not so")
            }
            Self::Stale { commit, aggregate, decided_on, written } => write!(
                f,
                "commit {commit} was decided on sequence {decided_on} of aggregate {aggregate}, and has written sequence {written}"
            ),
            Self::Early { commit, position, acknowledged, at } => write!(
                f,
                "commit {commit} is at {position}, and began after commit {acknowledged} was acknowledged at {at}"
            ),
            Self::IdempotencyKey { key, first, second } => {
                write!(
                    f,
                    "commits {first} and {second} have landed with the idempotency key `{key}`"
                )
            }
            Self::NoOrder { after, stuck } => {
                write!(f, "after {after} commits, none can come next")?;
                stuck.iter().try_for_each(|(commit, obstacle)| write!(f, "; {commit} {obstacle}"))
            }
            Self::Undecided { steps } => {
                write!(f, "no order of the commits was found in {steps} steps")
            }
            Self::Existence { aggregate, stored: true } => {
                write!(f, "aggregate {aggregate} is stored, and no commit has created it")
            }
            Self::Existence { aggregate, stored: false } => {
                write!(f, "aggregate {aggregate} was created, and is not stored")
            }
            Self::Key { aggregate, expected, found } => {
                let (expected, found) = (Named(expected), Named(found));
                write!(f, "aggregate {aggregate} should have {expected}, and has {found}")
            }
            Self::Holder { aggregate_type, key, expected, found } => {
                let (expected, found) = (Holder(expected), Holder(found));
                write!(
                    f,
                    "the key `{key}` of {aggregate_type} should lead to {expected}, and leads to {found}"
                )
            }
            Self::State { aggregate } => {
                write!(f, "aggregate {aggregate} has another state after a full replay")
            }
            Self::Missed { subscription, event } => {
                write!(f, "`{subscription}` was never given {event}")
            }
            Self::Repeated { subscription, event, times } => {
                write!(f, "in `{subscription}`, {event} has taken effect {times} times")
            }
            Self::Overtaken { subscription, event, earlier } => {
                write!(f, "`{subscription}` was given {event} before {earlier}")
            }
            Self::NotFollowed { subscription, event } => {
                write!(f, "`{subscription}` was given {event}, which it does not follow")
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(aggregate) => write!(f, "creates aggregate {aggregate}, which exists"),
            Self::Missing(aggregate) => {
                write!(f, "needs aggregate {aggregate}, which is not there")
            }
            Self::Sequence { aggregate, needed, found } => {
                write!(f, "needs aggregate {aggregate} at sequence {needed}, and it is at {found}")
            }
            Self::Key { aggregate, needed, found } => {
                let (needed, found) = (Named(needed), Named(found));
                write!(f, "needs aggregate {aggregate} with {needed}, and it has {found}")
            }
            Self::Taken { key, holder } => {
                write!(f, "claims the key `{key}`, which aggregate {holder} holds")
            }
            Self::Needed { aggregate, sequence } => write!(
                f,
                "goes on from sequence {sequence} of aggregate {aggregate}, which others still need"
            ),
        }
    }
}

struct Span<'a>(&'a Option<(Position, Position)>);

impl fmt::Display for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((first, last)) => write!(f, "{first} to {last}"),
            None => f.write_str("no position"),
        }
    }
}

struct Named<'a>(&'a Option<NaturalKey>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "the key `{key}`"),
            None => f.write_str("no key"),
        }
    }
}

struct Holder<'a>(&'a Option<AggregateId>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "aggregate {id}"),
            None => f.write_str("nothing"),
        }
    }
}
