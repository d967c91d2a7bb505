//! What a client sees, one thing at a time.

use evercore::engine::{AggregateWrite, Commit, Committed, KeyChange, NewEvent, Precondition};
use evercore::{
    AggregateId, CommitId, Error, NaturalKey, Payload, Position, RecordedEvent, Sequence,
};
use serde::{Deserialize, Serialize};

/// Something that a client has seen. Its JSON form is one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum Observation {
    /// A commit is about to be sent to the engine.
    Begun(CommitBegun),
    /// A commit has landed: by the answer to it, or to the question what became of it.
    Acknowledged {
        /// The commit.
        commit: CommitId,
        /// The positions of its first and last event; `None` if it wrote none.
        positions: Option<(Position, Position)>,
    },
    /// A commit has not landed and never will.
    Refused {
        /// The commit.
        commit: CommitId,
        /// Why.
        reason: Refusal,
    },
    /// The answer to a commit was lost. So it is, without a word, where the process died.
    Unknown {
        /// The commit.
        commit: CommitId,
    },
    /// A handler is done with these events.
    Handled {
        /// The subscription.
        subscription: String,
        /// The events, in the order in which it was given them.
        events: Vec<Handled>,
    },
}

/// What a commit is to write, and on what condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitBegun {
    /// The commit.
    pub commit: CommitId,
    /// The aggregates that it creates, writes to or guards.
    pub writes: Vec<WriteBegun>,
    /// Its events, in the order in which they are to stand in the log.
    pub events: Vec<EventBegun>,
    /// The idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// An aggregate of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBegun {
    /// The aggregate.
    pub aggregate: AggregateId,
    /// Its type's stored name.
    pub aggregate_type: String,
    /// What the commit was decided on.
    pub decided_on: DecidedOn,
    /// What is to become of its key.
    pub key: KeyWish,
}

/// What a commit was decided on, of one aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedOn {
    /// That there is none: the commit creates it.
    New,
    /// That there is one, in whatever state.
    Existing,
    /// Its sequence.
    Sequence(Sequence),
    /// Its sequence and its key.
    State {
        /// The sequence.
        sequence: Sequence,
        /// The key.
        key: Option<NaturalKey>,
    },
}

/// What is to become of a natural key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyWish {
    /// It stays as it is.
    Keep,
    /// It is to be this one.
    Set(NaturalKey),
    /// There is to be none.
    Clear,
}

/// An event of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBegun {
    /// Its aggregate.
    pub aggregate: AggregateId,
    /// Its type's stored name.
    pub event_type: String,
    /// The version of its shape.
    pub version: u32,
    /// What its payload is known by.
    pub payload: Fingerprint,
}

/// What a payload is known by: a checksum of its format and of its bytes as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(u64);

/// Why a commit was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// An aggregate is not as it was decided on.
    Conflict(AggregateId),
    /// A key belongs to another aggregate.
    KeyTaken(String),
    /// A commit with the idempotency key has landed before.
    IdempotencyKeyUsed(String),
    /// There is no such aggregate, or none of the type.
    NoSuchAggregate(AggregateId),
    /// It was given up: its outcome was asked for before it arrived.
    NeverLands,
    /// Trouble with the database; what the error said.
    Trouble(String),
}

/// An event that a handler was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handled {
    /// Its place in the log.
    pub position: Position,
    /// Its aggregate.
    pub aggregate: AggregateId,
    /// Its number within the aggregate.
    pub sequence: Sequence,
}

impl CommitBegun {
    /// What an engine is asked to land.
    #[must_use]
    pub fn of(commit: &Commit) -> Self {
        Self {
            commit: commit.id,
            writes: commit.writes.iter().map(WriteBegun::of).collect(),
            events: commit.events.iter().map(EventBegun::of).collect(),
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
        }
    }
}

impl DecidedOn {
    /// The sequence that the decision was made on, if it was made on one.
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
    /// FNV-1a in 64 bits, with the offset and the prime of Fowler, Noll and Vo
    /// (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>): made to tell accidents, not to withstand attacks.
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
            Ok(committed) => Self::Acknowledged { commit, positions: committed.positions },
            Err(Error::OutcomeUnknown { .. }) => Self::Unknown { commit },
            Err(error) => Self::Refused { commit, reason: Refusal::of(error) },
        }
    }
}

impl Refusal {
    fn of(error: &Error) -> Self {
        match error {
            Error::Conflict { id, .. } => Self::Conflict(*id),
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
