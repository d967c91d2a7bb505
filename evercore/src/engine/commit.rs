//! Defines the commit that a context sends to its engine at its end, and the engine's answer. For authors of engines.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::boundary::Condition;
use super::{
    Capabilities, Capability, CommandOutcome, Positions, Settlement, TaskChange, TaskLease,
    UniqueChange,
};
use crate::evolution::unreadable::Unreadable;
use crate::{
    AggregateId, CommitId, Error, EventMeta, EventPlace, Fingerprint, IdempotencyKey, NaturalKey,
    Payload, Position, QueueName, Sequence, Tag, Tags, TaskId, TaskKey,
};

/// Everything that one context wants to store, together or not at all.
///
/// Engines take it apart with a pattern that names every field, so that none is overlooked when one is added. What an
/// engine [does not declare](super::StorageEngine::capabilities), the core does not send.
///
/// The core has checked all of it: no aggregate is in `writes` twice, each event's aggregate is in `writes` and is not
/// a mere guard, and keys, names and payloads are within their limits. The key changes take effect together: one
/// aggregate may take the key that another gives up, and two may swap theirs.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The id of this commit.
    pub id: CommitId,
    /// The time of recording, by the store's clock.
    pub recorded_at: DateTime<Utc>,
    /// The aggregates that are created, changed or guarded, in the order in which they were first used.
    pub writes: Vec<AggregateWrite>,
    /// The events, in the order of their global positions.
    pub events: Vec<NewEvent>,
    /// The snapshots, at most one for each aggregate of `writes`.
    pub snapshots: Vec<NewSnapshot>,
    /// The idempotency key, if it has one: the commit is refused if a commit with the same key is stored. A commit with
    /// a key may have neither writes nor events.
    pub idempotency: Option<Idempotency>,
    /// The unique values that aggregates of `writes` claim and release.
    pub unique: Vec<UniqueChange>,
    /// The conditions for the commit beside those of its writes, each about events that were read by their tags.
    pub conditions: Vec<Condition>,
    /// The changes of queues, in their order, no two of the same key. They take effect after the work that the commit
    /// completes is recorded as done.
    pub tasks: Vec<TaskChange>,
    /// The [version](super::Declarations::version) of the declarations that the program knows; the commit is refused if
    /// another one is stored. The core names it on every engine that has tags or unique values.
    pub declared: Option<i64>,
    /// The work that is done with this commit: it is recorded as done if and only if the commit is stored.
    pub completes: Vec<Completion>,
    /// The outcomes of the commands that the commit lands or rejects, which are stored with it.
    pub outcomes: Vec<CommandOutcome>,
}

impl Commit {
    /// Makes a commit with a new id that stores nothing yet.
    #[must_use]
    pub fn new(recorded_at: DateTime<Utc>) -> Self {
        Self {
            id: CommitId::generate(),
            recorded_at,
            writes: Vec::new(),
            events: Vec::new(),
            snapshots: Vec::new(),
            idempotency: None,
            unique: Vec::new(),
            conditions: Vec::new(),
            tasks: Vec::new(),
            declared: None,
            completes: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

/// Work that is done with a commit.
#[derive(Clone, Debug)]
pub enum Completion {
    /// The outcome of a batch of a subscription. If it had been recorded before, the commit is not stored, which is no
    /// error.
    Settlement(Settlement),
    /// A task, by the lease that it was claimed under. It is removed. If the lease is not held any more, the commit is
    /// refused with [`Error::TaskLeaseLost`].
    Task(TaskLease),
}

/// A row, a key or a condition that a commit contends for. Of two commits with an equal claim, only one can be judged
/// at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The row of an aggregate.
    Aggregate(AggregateId),
    /// A natural key of a type of aggregates, which the commit takes or may give up.
    NaturalKey(&'static str, NaturalKey),
    /// An idempotency key.
    IdempotencyKey(IdempotencyKey),
    /// The key of a task in a queue.
    TaskKey(QueueName, TaskKey),
    /// A task.
    Task(TaskId),
    /// A unique value of a type of aggregates, which the commit claims or releases.
    Unique(&'static str, Tag),
}

/// The idempotency key of a commit, with the request and the result that are stored with it. However often the request
/// is repeated, it is committed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the caller has given to the request.
    pub key: IdempotencyKey,
    /// The kind of request: the name of the command's type without path and parameters, as
    /// [`command_name`](crate::command::command_name) returns it, or a text for a closure of
    /// [`once`](crate::EventStore::once). Using the key for another kind is [`Error::IdempotencyKeyReused`].
    pub command: Box<str>,
    /// The result of the request, in a form that the core reads.
    pub result: Box<str>,
}

/// The commit that is stored with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdempotentOutcome {
    /// The commit.
    pub committed: Committed,
    /// Its [`Idempotency::command`].
    pub command: Box<str>,
    /// Its [`Idempotency::result`].
    pub result: Box<str>,
}

impl IdempotentOutcome {
    /// Makes the outcome of a commit with an idempotency key.
    #[must_use]
    pub const fn new(committed: Committed, command: Box<str>, result: Box<str>) -> Self {
        Self { committed, command, result }
    }
}

/// One aggregate of a commit: the condition for the commit, and the change of the aggregate's key.
///
/// Without events and with [`KeyChange::Keep`] it is a guard: a condition and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateWrite {
    /// The aggregate's id.
    pub id: AggregateId,
    /// Its type's stored name.
    pub aggregate_type: &'static str,
    /// The condition for the commit.
    pub precondition: Precondition,
    /// The change of its natural key.
    pub key: KeyChange,
}

/// The condition that an aggregate must meet for a commit to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It does not exist; the commit creates it. The id was reserved for it.
    New,
    /// It exists, in any state.
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

/// The change of a natural key.
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
/// The engine assigns its sequence and position: the aggregate's next, and the log's next.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The stored name of its type. The engine resolves it to a number, together with the aggregate's type.
    pub event_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// The encoded event.
    pub payload: Payload,
    /// The aggregate, time, reference and metadata. The engine ignores the sequence in it: a context has assigned it
    /// from what it loaded, and an append has counted from 1.
    pub meta: EventMeta,
    /// The metadata as [`Metadata::to_column`](crate::Metadata::to_column) returns it, encoded once.
    pub metadata_column: Option<String>,
    /// The tags by which it is found.
    pub tags: Tags,
}

/// A snapshot to be written. It replaces the aggregate's older one.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    /// The aggregate's id.
    pub aggregate_id: AggregateId,
    /// The sequence of the last event that it contains.
    pub sequence: Sequence,
    /// The fingerprint of the state's shape.
    pub fingerprint: Fingerprint,
    /// The encoded state.
    pub state: Bytes,
}

/// A commit that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The commit.
    pub id: CommitId,
    /// The positions of its events.
    pub positions: Positions,
}

impl Committed {
    /// Makes the answer to a commit.
    #[must_use]
    pub const fn new(id: CommitId, positions: Positions) -> Self {
        Self { id, positions }
    }

    /// Returns the position of its last event; `None` if it wrote none.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.positions.last()
    }
}

/// The outcome of a commit whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It was stored.
    Landed(Committed),
    /// It was not stored and never will be.
    NeverLands,
}

impl Commit {
    /// Returns the capabilities that an engine needs to store the commit, beyond the base of the contract.
    pub fn requires(&self) -> Capabilities {
        let settles = self.completes.iter().any(|done| matches!(done, Completion::Settlement(_)));
        let completes = settles.then_some(Capability::Completions);
        let has_tasks = !self.tasks.is_empty()
            || self.completes.iter().any(|done| matches!(done, Completion::Task(_)));
        let tasks = has_tasks.then_some(Capability::Tasks);
        let is_tagged = self.events.iter().any(|event| !event.tags.is_empty());
        let tags = (is_tagged || !self.conditions.is_empty()).then_some(Capability::Tags);
        let unique = (!self.unique.is_empty()).then_some(Capability::UniqueValues);
        let log = (!self.outcomes.is_empty()).then_some(Capability::CommandLog);
        let needed = completes.into_iter().chain(tags).chain(tasks).chain(unique).chain(log);
        needed.fold(Capabilities::NONE, Capabilities::with)
    }

    /// Returns whether it enqueues tasks, so that the engine wakes workers once it is stored.
    #[must_use]
    pub fn enqueues(&self) -> bool {
        self.tasks.iter().any(|change| matches!(change, TaskChange::Enqueue(_)))
    }

    /// Returns whether there is nothing to store.
    pub(crate) const fn is_empty(&self) -> bool {
        self.writes.is_empty()
            && self.idempotency.is_none()
            && self.tasks.is_empty()
            && self.completes.is_empty()
            && self.outcomes.is_empty()
    }

    /// Returns what the commit contends for. An engine may store commits together if no two of them have an equal
    /// claim.
    pub fn claims(&self) -> impl Iterator<Item = Claim> {
        let aggregates = self.writes.iter().map(|write| Claim::Aggregate(write.id));
        let keys = self.writes.iter().flat_map(|write| {
            let keys = write.claimed_keys();
            keys.map(|key| Claim::NaturalKey(write.aggregate_type, key.clone()))
        });
        let idempotency =
            self.idempotency.iter().map(|given| Claim::IdempotencyKey(given.key.clone()));
        let tasks = self.tasks.iter().filter_map(TaskChange::claim);
        let completed = self.completes.iter().filter_map(|completion| match completion {
            Completion::Task(lease) => Some(Claim::Task(lease.id)),
            Completion::Settlement(_) => None,
        });
        let unique = self
            .unique
            .iter()
            .map(|change| Claim::Unique(change.aggregate_type, change.value.clone()));
        aggregates.chain(keys).chain(idempotency).chain(unique).chain(tasks).chain(completed)
    }

    /// Returns whether a condition of this commit could match an event of a commit that is stored before it. An engine
    /// that judges both before it stores either must not store them together.
    #[must_use]
    pub fn rests_on(&self, earlier: &Self) -> bool {
        !self.conditions.is_empty()
            && earlier.events.iter().filter(|event| !event.tags.is_empty()).any(|event| {
                let aggregate_type = earlier.aggregate_type_of(event);
                self.conditions.iter().any(|condition| {
                    condition.query.matches(aggregate_type, event.event_type, &event.tags)
                })
            })
    }

    /// Returns the type of an event's aggregate.
    ///
    /// # Panics
    /// If the aggregate is not in [`writes`](Self::writes).
    #[must_use]
    pub fn aggregate_type_of(&self, event: &NewEvent) -> &'static str {
        let id = event.meta.aggregate_id();
        let write = self.writes.iter().find(|write| write.id == id);
        write.expect("BUG: each event's aggregate is in the writes").aggregate_type
    }
}

impl AggregateWrite {
    /// Returns the natural keys that the write takes or may give up.
    fn claimed_keys(&self) -> impl Iterator<Item = &NaturalKey> {
        let taken = match &self.key {
            KeyChange::Set(key) => Some(key),
            KeyChange::Keep | KeyChange::Clear => None,
        };
        let held = match &self.precondition {
            Precondition::Unchanged { key, .. } if self.key != KeyChange::Keep => key.as_ref(),
            _ => None,
        };
        taken.into_iter().chain(held)
    }

    /// Returns whether the commit creates the aggregate.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.precondition == Precondition::New
    }
}

impl NewEvent {
    /// Returns its size for [`Limits::max_commit_bytes`](crate::Limits::max_commit_bytes).
    pub(crate) fn bytes(&self) -> usize {
        let metadata = self.meta.metadata();
        let column = self.metadata_column.as_deref();
        let tags = self.tags.to_column();
        [self.meta.reference(), metadata.correlation_id(), metadata.causation_id(), column, tags]
            .into_iter()
            .flatten()
            .map(str::len)
            .sum::<usize>()
            + self.payload.bytes().len()
    }

    /// Identifies the event in a message. It has no position yet.
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

    /// Makes the error for this event, which cannot be read because of `problem`.
    pub(crate) fn unreadable(&self, aggregate_type: &str, problem: Unreadable) -> Error {
        self.place(aggregate_type).unreadable(problem)
    }
}
