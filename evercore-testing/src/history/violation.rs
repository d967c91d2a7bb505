//! The violations that a check can find.

mod display;

use evercore::{AggregateId, CommitId, NaturalKey, Position, Sequence};

use super::observation::{Handled, Refusal};

/// A broken promise and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The log returned an event after one with the same or a higher position.
    Unordered {
        /// The event.
        position: Position,
        /// The position of the event before it.
        after: Position,
    },
    /// The sequences of an aggregate have a gap or a repetition.
    Sequence {
        /// The event.
        event: Handled,
        /// The sequence that it should have.
        expected: Sequence,
    },
    /// No commit of the history wrote this event.
    Unclaimed {
        /// The event.
        event: Handled,
        /// The commit that the event names.
        commit: Option<CommitId>,
    },
    /// A commit was acknowledged but never begun: part of the history is missing.
    NeverBegun {
        /// The commit.
        commit: CommitId,
    },
    /// A commit was acknowledged but is not stored as a whole.
    Lost {
        /// The commit.
        commit: CommitId,
        /// The number of its events that are stored.
        present: usize,
        /// The number of events that it has.
        of: usize,
    },
    /// A commit was not acknowledged and is stored in part.
    Torn {
        /// The commit.
        commit: CommitId,
        /// The number of its events that are stored.
        present: usize,
        /// The number of events that it has.
        of: usize,
    },
    /// A commit is stored more than once.
    Doubled {
        /// The commit.
        commit: CommitId,
        /// The number of its events that are stored.
        present: usize,
        /// The number of events that it has.
        of: usize,
    },
    /// A commit was refused but is stored.
    Refused {
        /// The commit.
        commit: CommitId,
        /// The reason of the refusal.
        reason: Refusal,
        /// The position of its first event.
        position: Position,
    },
    /// An event differs from the one that its commit sent.
    Altered {
        /// The commit.
        commit: CommitId,
        /// The event.
        event: Handled,
    },
    /// A commit was acknowledged with positions that differ from its actual ones.
    Misplaced {
        /// The commit.
        commit: CommitId,
        /// The positions that were reported.
        told: Vec<Position>,
        /// The positions in the log.
        found: Vec<Position>,
    },
    /// The store's answer about the outcome of a commit contradicts the client's answer or the log.
    Outcome {
        /// The commit.
        commit: CommitId,
        /// Whether the store says that the commit is stored.
        landed: bool,
    },
    /// A commit was decided on one state of an aggregate but written after another.
    Stale {
        /// The commit.
        commit: CommitId,
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence on which it was decided.
        decided_on: Sequence,
        /// The sequence of its first event of the aggregate.
        written: Sequence,
    },
    /// A commit was decided on some events of a boundary, and is stored after others.
    StaleBoundary {
        /// The commit.
        commit: CommitId,
        /// The name of the boundary.
        boundary: String,
        /// The number of events that the decision has seen beyond the position of its condition.
        seen: u64,
        /// The number of those that lie before the commit in the log.
        there: usize,
    },
    /// A commit began after another was acknowledged but has the lower position.
    Early {
        /// The commit.
        commit: CommitId,
        /// The position of its first event.
        position: Position,
        /// The commit that was acknowledged before.
        acknowledged: CommitId,
        /// The position of the last event of the acknowledged commit.
        at: Position,
    },
    /// Two commits are stored with the same idempotency key.
    IdempotencyKey {
        /// The key.
        key: String,
        /// The first commit.
        first: CommitId,
        /// The second commit.
        second: CommitId,
    },
    /// No order of the commits exists in which each was decided on the state that preceded it.
    NoOrder {
        /// The number of commits that could be put in order.
        after: usize,
        /// Some of the commits that could come next, each with the obstacle that prevents it.
        stuck: Vec<(CommitId, Obstacle)>,
    },
    /// The search stopped after this many steps: it is unknown whether an order of the commits exists.
    Undecided {
        /// The number of steps.
        steps: usize,
    },
    /// An aggregate is stored but no commit created it, or was created but is not stored.
    Existence {
        /// The aggregate.
        aggregate: AggregateId,
        /// Whether it is stored.
        stored: bool,
    },
    /// An aggregate has another key than the commits gave it.
    Key {
        /// The aggregate.
        aggregate: AggregateId,
        /// The key that it should have.
        expected: Option<NaturalKey>,
        /// The key that it has.
        found: Option<NaturalKey>,
    },
    /// A lookup of a key finds another aggregate than its holder.
    Holder {
        /// The aggregate type.
        aggregate_type: String,
        /// The key.
        key: NaturalKey,
        /// The aggregate that should be found.
        expected: Option<AggregateId>,
        /// The aggregate that was found.
        found: Option<AggregateId>,
    },
    /// The state of an aggregate loaded from a snapshot differs from a full replay.
    State {
        /// The aggregate.
        aggregate: AggregateId,
    },
    /// A handler never received an event.
    Missed {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
    },
    /// A handler received an event more than once although it must take effect exactly once.
    Repeated {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
        /// The number of times.
        times: usize,
    },
    /// A handler received an event before an earlier one.
    Overtaken {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
        /// The earlier event, which had not been handled.
        earlier: Handled,
    },
    /// A handler received an event that is not in the log or that its subscription does not follow.
    NotFollowed {
        /// The subscription.
        subscription: String,
        /// The event.
        event: Handled,
    },
}

/// The reason why a commit cannot be the next one in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The commit creates an aggregate that already exists.
    Exists(AggregateId),
    /// The commit needs an aggregate that does not exist or is of another type.
    Missing(AggregateId),
    /// The commit needs an aggregate at another sequence.
    Sequence {
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence that it needs.
        needed: Sequence,
        /// The sequence of the aggregate.
        found: Sequence,
    },
    /// The commit needs an aggregate with another key.
    Key {
        /// The aggregate.
        aggregate: AggregateId,
        /// The key that it needs.
        needed: Option<NaturalKey>,
        /// The key that the aggregate has.
        found: Option<NaturalKey>,
    },
    /// The commit claims a key that another aggregate holds.
    Taken {
        /// The key.
        key: NaturalKey,
        /// The aggregate that holds it.
        holder: AggregateId,
    },
    /// The commit rests on another number of events of a boundary.
    Boundary {
        /// The name of the boundary.
        boundary: String,
        /// The number that it needs.
        needed: usize,
        /// The number of events that are there.
        found: usize,
    },
    /// The commit adds to a boundary on which other remaining commits rest without its event.
    BoundaryNeeded {
        /// The position of the event.
        position: Position,
    },
    /// The commit writes after a sequence that other remaining commits were decided on.
    Needed {
        /// The aggregate.
        aggregate: AggregateId,
        /// The sequence.
        sequence: Sequence,
    },
}
