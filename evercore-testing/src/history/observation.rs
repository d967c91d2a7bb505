//! The observations that make up a history.

use evercore::boundary::{Tag, Tags};
use evercore::engine::{
    AggregateWrite, Commit, Condition, KeyChange, NewEvent, Positions, Precondition,
};
use evercore::format::Payload;
use evercore::{
    AggregateId, CommitId, Committed, Error, NaturalKey, Position, RecordedEvent, Sequence,
};
use serde::{Deserialize, Serialize};

/// One observation of a client. Its JSON form is a single line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum Observation {
    /// A client is about to send a commit to the engine.
    Begun(CommitBegun),
    /// A commit is known to be stored, from its answer or from a later question about its outcome.
    Acknowledged {
        /// The commit.
        commit: CommitId,
        /// The positions of its events.
        positions: Positions,
    },
    /// A commit is not stored and never will be.
    Refused {
        /// The commit.
        commit: CommitId,
        /// The reason.
        reason: Refusal,
    },
    /// The answer to a commit was lost. A commit without any answer counts the same: its process may have died.
    Unknown {
        /// The commit.
        commit: CommitId,
    },
    /// A handler has finished these events.
    Handled {
        /// The subscription.
        subscription: String,
        /// The events, in the order in which the handler received them.
        events: Vec<Handled>,
    },
}

/// The contents and preconditions of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitBegun {
    /// The commit.
    pub commit: CommitId,
    /// The aggregates that the commit creates, writes to or guards.
    pub writes: Vec<WriteBegun>,
    /// The events of the commit, in the order in which they are to appear in the log.
    pub events: Vec<EventBegun>,
    /// The conditions of the commit on events that were found by their tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionBegun>,
    /// The idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// An aggregate that a commit creates, writes to or guards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBegun {
    /// The aggregate.
    pub aggregate: AggregateId,
    /// The stored name of its type.
    pub aggregate_type: String,
    /// The state on which the commit was decided.
    pub decided_on: DecidedOn,
    /// The change of its natural key.
    pub key: KeyWish,
}

/// The state of one aggregate on which a commit was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedOn {
    /// The aggregate does not exist: the commit creates it.
    New,
    /// The aggregate exists, in any state.
    Existing,
    /// The aggregate has this sequence.
    Sequence(Sequence),
    /// The aggregate has this sequence and this key.
    State {
        /// The sequence.
        sequence: Sequence,
        /// The key.
        key: Option<NaturalKey>,
    },
}

/// The change that a commit makes to a natural key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyWish {
    /// Keeps the key.
    Keep,
    /// Sets this key.
    Set(NaturalKey),
    /// Removes the key.
    Clear,
}

/// An event of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBegun {
    /// The aggregate of the event.
    pub aggregate: AggregateId,
    /// The stored name of its type.
    pub event_type: String,
    /// The version of the event's shape.
    pub version: u32,
    /// The checksum of the payload.
    pub payload: Fingerprint,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// A condition of a commit: exactly `seen` events match one of the atoms after the position `beyond`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionBegun {
    /// The name of the boundary.
    pub boundary: String,
    /// The events that it is about.
    pub atoms: Vec<AtomBegun>,
    /// The position.
    pub beyond: Position,
    /// The number of events.
    pub seen: u64,
}

/// The events of some types that have all of some tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AtomBegun {
    /// The stored names of the types: that of the aggregate type and that of the event.
    pub types: Vec<(String, String)>,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// A checksum of a payload's format and of its bytes as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(u64);

/// The reason why a commit was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// An aggregate is not in the state on which the commit was decided.
    Conflict(AggregateId),
    /// The natural key belongs to another aggregate.
    KeyTaken(String),
    /// Other events match a boundary than those on which the commit was decided.
    BoundaryConflict(String),
    /// The idempotency key was used by an earlier commit.
    IdempotencyKeyUsed(String),
    /// No aggregate with this id exists, or it is of another type.
    NoSuchAggregate(AggregateId),
    /// The commit was abandoned: its outcome was asked for before it arrived.
    NeverLands,
    /// The database failed, with this error message.
    Trouble(String),
}

/// An event that a handler received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handled {
    /// The position of the event in the log.
    pub position: Position,
    /// The aggregate of the event.
    pub aggregate: AggregateId,
    /// The sequence of the event within its aggregate.
    pub sequence: Sequence,
}

impl CommitBegun {
    /// Describes a commit that is about to be sent to an engine.
    #[must_use]
    pub fn of(commit: &Commit) -> Self {
        Self {
            commit: commit.id,
            writes: commit.writes.iter().map(WriteBegun::of).collect(),
            events: commit.events.iter().map(EventBegun::of).collect(),
            conditions: commit.conditions.iter().map(ConditionBegun::of).collect(),
            idempotency_key: commit.idempotency.as_ref().map(|given| given.key.to_string()),
        }
    }
}

impl WriteBegun {
    fn of(write: &AggregateWrite) -> Self {
        let decided_on = match &write.precondition {
            Precondition::New => DecidedOn::New,
            Precondition::Exists => DecidedOn::Existing,
            Precondition::At(sequence) => DecidedOn::Sequence(*sequence),
            Precondition::Unchanged { sequence, key } => {
                DecidedOn::State { sequence: *sequence, key: key.clone() }
            }
        };
        let key = match &write.key {
            KeyChange::Keep => KeyWish::Keep,
            KeyChange::Set(key) => KeyWish::Set(key.clone()),
            KeyChange::Clear => KeyWish::Clear,
        };
        let aggregate_type = write.aggregate_type.to_owned();
        Self { aggregate: write.id, aggregate_type, decided_on, key }
    }
}

impl EventBegun {
    fn of(event: &NewEvent) -> Self {
        Self {
            aggregate: event.meta.aggregate_id(),
            event_type: event.event_type.to_owned(),
            version: event.version,
            payload: Fingerprint::of(&event.payload),
            tags: event.tags.clone(),
        }
    }
}

impl ConditionBegun {
    fn of(condition: &Condition) -> Self {
        let atoms = condition.query.atoms.iter().map(|atom| AtomBegun {
            types: atom
                .types
                .iter()
                .map(|known| (known.aggregate.as_ref().to_owned(), known.event.as_ref().to_owned()))
                .collect(),
            tags: atom.tags.clone(),
        });
        Self {
            boundary: condition.boundary.to_owned(),
            atoms: atoms.collect(),
            beyond: condition.beyond,
            seen: condition.seen,
        }
    }

    /// Returns whether an event with these names and tags matches.
    pub(super) fn matches(&self, aggregate_type: &str, event_type: &str, tags: &Tags) -> bool {
        self.atoms.iter().any(|atom| {
            let is_of_type = |(aggregate, event): &(String, String)| {
                aggregate == aggregate_type && event == event_type
            };
            atom.types.iter().any(is_of_type) && atom.tags.iter().all(|tag| tags.contains(tag))
        })
    }
}

impl DecidedOn {
    /// Returns the sequence on which the decision was made: zero for a new aggregate, `None` if any would do.
    #[must_use]
    pub const fn sequence(&self) -> Option<Sequence> {
        match self {
            Self::New => Some(Sequence::ZERO),
            Self::Existing => None,
            Self::Sequence(sequence) | Self::State { sequence, .. } => Some(*sequence),
        }
    }
}

impl Fingerprint {
    /// Computes the checksum: 64-bit FNV-1a with the offset basis and prime of Fowler, Noll and Vo
    /// (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>). It detects accidental changes, not deliberate
    /// ones.
    #[must_use]
    pub fn of(payload: &Payload) -> Self {
        let format = payload.stored_format().to_le_bytes();
        let bytes = format.iter().chain(payload.bytes());
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

impl Observation {
    pub(super) fn answer(commit: CommitId, answer: &Result<Committed, Error>) -> Self {
        match answer {
            Ok(committed) => Self::Acknowledged { commit, positions: committed.positions.clone() },
            Err(Error::OutcomeUnknown { .. }) => Self::Unknown { commit },
            Err(error) => Self::Refused { commit, reason: Refusal::of(error) },
        }
    }
}

impl Refusal {
    fn of(error: &Error) -> Self {
        match error {
            Error::Conflict { id, .. } => Self::Conflict(*id),
            Error::BoundaryConflict { boundary, .. } => Self::BoundaryConflict(boundary.clone()),
            Error::KeyTaken { key, .. } => Self::KeyTaken(key.clone()),
            Error::IdempotencyKeyUsed { key } => Self::IdempotencyKeyUsed(key.clone()),
            Error::UnknownId { id, .. } | Error::WrongAggregateType { id, .. } => {
                Self::NoSuchAggregate(*id)
            }
            error => Self::Trouble(error.to_string()),
        }
    }
}

impl From<&RecordedEvent> for Handled {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            position: event.position(),
            aggregate: event.aggregate_id(),
            sequence: event.sequence(),
        }
    }
}
