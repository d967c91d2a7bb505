//! Defines the numbers that identify aggregates, events and commits. Each checks its range when it is created.

mod fresh;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result};

/// The id of an aggregate in a store. At least 1; unique across all aggregate types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct AggregateId(i64);

/// The number of an event within its aggregate: 1, 2, 3 … without gaps.
///
/// [`Sequence::ZERO`] is the sequence of an aggregate that has no event yet.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Sequence(i64);

/// The place of an event in the global log. Grows with every commit; may have gaps.
///
/// [`Position::START`] is the place before the first event.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Position(i64);

/// The id of a commit, by which its outcome can be looked up if the answer was lost.
///
/// A version 7 UUID (RFC 9562): new ids sort after old ones, which keeps the index compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(Uuid);

/// The id of a command that was sent, by which its outcome can be looked up. It is the id of its task, and the causation
/// id of its events.
///
/// A version 7 UUID (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(Uuid);

impl AggregateId {
    /// The lowest id.
    pub const FIRST: Self = Self(1);

    /// Stands for the aggregate of events that belong to none, until their context ends. It is never stored.
    pub(crate) const UNPLACED: Self = Self(i64::MAX);

    /// Creates an id after checking that it is at least 1.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`] if it is not.
    pub fn new(id: i64) -> Result<Self> {
        at_least("aggregate id", 1, id).map(Self)
    }

    /// Returns the plain number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Sequence {
    /// The sequence of an aggregate without events.
    pub const ZERO: Self = Self(0);

    /// The first event's sequence.
    pub const FIRST: Self = Self(1);

    /// Creates a sequence after checking that it is not negative.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`] if it is.
    pub fn new(sequence: i64) -> Result<Self> {
        at_least("sequence", 0, sequence).map(Self)
    }

    /// Returns the plain number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the sequence before this one; [`Sequence::ZERO`] returns itself.
    pub(crate) const fn previous(self) -> Self {
        if self.0 == 0 { self } else { Self(self.0 - 1) }
    }

    /// Returns the sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Position {
    /// The place before the first event.
    pub const START: Self = Self(0);

    /// The first event's position.
    pub const FIRST: Self = Self(1);

    /// Wraps a number that lies between two positions.
    pub(crate) const fn known(position: i64) -> Self {
        Self(position)
    }

    /// Creates a position after checking that it is not negative.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`] if it is.
    pub fn new(position: i64) -> Result<Self> {
        at_least("position", 0, position).map(Self)
    }

    /// Returns the plain number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl CommitId {
    /// Creates a new id: a UUID of version 7, by the system's clock.
    #[must_use]
    pub fn generate() -> Self {
        Self(fresh::uuid())
    }

    /// Wraps the id of a stored commit.
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// Returns the id as it is stored.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for CommitId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl CommandId {
    /// Wraps the id of a command.
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// Returns the id as it is stored.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for CommandId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

fn at_least(what: &'static str, least: i64, value: i64) -> Result<i64> {
    if value >= least { Ok(value) } else { Err(Error::InvalidNumber { what, least, value }) }
}

macro_rules! number {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Error;

            fn try_from(value: i64) -> Result<Self> {
                Self::new(value)
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

number!(AggregateId);
number!(Sequence);
number!(Position);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_commit_is_read_as_it_was_stored() {
        let id = CommitId::generate();
        assert_eq!(CommitId::from_uuid(*id.as_uuid()), id);
        assert_eq!(id.to_string(), id.as_uuid().to_string());
    }
}
