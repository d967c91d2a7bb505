//! What can be wrong, and where.

mod display;

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
