//! What a context hands to an engine at its end, and what the engine answers. For authors of engines.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::error::EventPlace;
use crate::evolution::upcast::Unreadable;
use crate::{
    AggregateId, CommitId, Error, EventMeta, Fingerprint, IdempotencyKey, NaturalKey, Payload,
    Position, Sequence,
};

/// Everything that one context wants to land, together or not at all.
///
/// The core has checked all of it: no aggregate stands in `writes` twice, each event's aggregate is among them and is
/// not a mere guard, and keys, names and payloads are within their limits. The key changes take effect together: one
/// aggregate may take the key that another gives up, and two may swap.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Names this commit.
    pub id: CommitId,
    /// The time of the store's clock.
    pub recorded_at: DateTime<Utc>,
    /// The aggregates that are created, changed or guarded, in the order in which they were first touched.
    pub writes: Vec<AggregateWrite>,
    /// The events, in the order of their global positions.
    pub events: Vec<NewEvent>,
    /// At most one for each aggregate of `writes`.
    pub snapshots: Vec<NewSnapshot>,
    /// Lets it land only if no commit with this key has landed. One that has a key may write nothing else.
    pub idempotency: Option<Idempotency>,
}

/// What is stored with a commit so that it lands once, however often the wish behind it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's name for the wish.
    pub key: IdempotencyKey,
    /// What was wished for; a repetition wishes for the same.
    pub command: Box<str>,
    /// What came of it, in the core's words.
    pub result: Box<str>,
}

/// The commit that has landed with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstOutcome {
    /// The commit.
    pub committed: Committed,
    /// [`Idempotency::command`] of it.
    pub command: Box<str>,
    /// [`Idempotency::result`] of it.
    pub result: Box<str>,
}

/// One aggregate of a commit: on what condition it lands, and what becomes of its key.
///
/// Without events and with [`KeyChange::Keep`] it is a guard: a condition and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateWrite {
    /// The aggregate.
    pub id: AggregateId,
    /// Its type's stored name.
    pub aggregate_type: &'static str,
    /// What must be true for the commit to land.
    pub precondition: Precondition,
    /// What becomes of its natural key.
    pub key: KeyChange,
}

/// What must be true of an aggregate for a commit to land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It does not exist; the commit creates it. The id was reserved for it.
    New,
    /// It exists, in whatever state.
    Exists,
    /// It exists with exactly this sequence, whatever its key.
    At(Sequence),
    /// It exists with exactly this sequence and key.
    Unchanged {
        /// The sequence that the decision was made on.
        sequence: Sequence,
        /// The key that the decision was made on.
        key: Option<NaturalKey>,
    },
}

/// What becomes of a natural key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It stays as it is; a new aggregate has none.
    Keep,
    /// The aggregate has this key from now on.
    Set(NaturalKey),
    /// The aggregate has no key from now on.
    Clear,
}

/// An event to be written.
///
/// Its sequence and position are the engine's to give: the aggregate's next, and the log's next.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The stored name of its type. Together with the aggregate's type, this is what the engine resolves to a number.
    pub event_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// The encoded event.
    pub payload: Payload,
    /// Aggregate, time, reference and metadata. The sequence in it is what the context gave; it equals what the engine
    /// gives unless the precondition is [`Precondition::Exists`].
    pub meta: EventMeta,
    /// [`Metadata::to_column`](crate::Metadata::to_column) of its metadata, made once.
    pub metadata_column: Option<String>,
}

/// A snapshot to be written. It replaces the aggregate's older one.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    /// The aggregate.
    pub aggregate_id: AggregateId,
    /// The last event that it contains.
    pub sequence: Sequence,
    /// The shape of the state.
    pub fingerprint: Fingerprint,
    /// The encoded state.
    pub state: Bytes,
}

/// A commit that landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub id: CommitId,
    /// The positions of its first and last event; `None` if it wrote none. Events of other commits may lie between.
    pub positions: Option<(Position, Position)>,
}

/// What is known of a commit whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It landed.
    Landed(Committed),
    /// It did not land and never will.
    NeverLands,
}

impl AggregateWrite {
    /// Whether the commit creates the aggregate.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.precondition == Precondition::New
    }
}

impl NewEvent {
    /// What it counts for in [`Limits::max_commit_bytes`](crate::Limits::max_commit_bytes).
    pub(crate) fn bytes(&self) -> usize {
        let metadata = self.meta.metadata();
        let column = self.metadata_column.as_deref();
        [self.meta.reference(), metadata.correlation_id(), metadata.causation_id(), column]
            .into_iter()
            .flatten()
            .map(str::len)
            .sum::<usize>()
            + self.payload.bytes().len()
    }

    /// Which event this is, for a message; it has no position yet.
    pub(crate) fn place(&self, aggregate_type: &str) -> EventPlace {
        EventPlace {
            position: Position::START,
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: self.meta.aggregate_id(),
            sequence: self.meta.sequence(),
            event_type: self.event_type.to_owned(),
            version: self.version,
        }
    }

    /// Why the event cannot be read.
    pub(crate) fn unreadable(&self, aggregate_type: &str, problem: Unreadable) -> Error {
        self.place(aggregate_type).unreadable(problem)
    }
}
