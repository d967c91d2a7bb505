//! Defines [`Target`], the aggregate that a command is for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::executed::Done;
use crate::context::OnKeyTaken;
use crate::error::unknown_key;
use crate::{Aggregate, AggregateId, Context, Error, NaturalKey, Result, StateAggregate};

/// The aggregate that a command is for.
///
/// An [`AggregateId`], a [`NaturalKey`], or the text of a key converts into it. It can be a field of a command that is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The aggregate with this id. It has to exist.
    Id(AggregateId),
    /// The aggregate with this natural key. It has to exist.
    Key(NaturalKey),
    /// A new aggregate.
    New,
    /// A new aggregate with this natural key.
    NewWithKey(NaturalKey),
    /// The aggregate with this natural key, or a new one that gets the key.
    KeyOrNew(NaturalKey),
}

impl Target {
    /// Targets a new aggregate with this natural key.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if the text is not a valid key.
    pub fn new_with_key(key: impl TryInto<NaturalKey, Error: Into<Error>>) -> Result<Self> {
        key.try_into().map(Self::NewWithKey).map_err(Into::into)
    }

    /// Targets the aggregate with this natural key, or a new one that gets the key.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if the text is not a valid key.
    pub fn key_or_new(key: impl TryInto<NaturalKey, Error: Into<Error>>) -> Result<Self> {
        key.try_into().map(Self::KeyOrNew).map_err(Into::into)
    }

    /// Returns whether the stored result of an idempotency key can belong to this target.
    pub(super) fn may_be(&self, done: &Done) -> bool {
        match self {
            Self::Id(id) => *id == done.id,
            Self::New => true,
            Self::Key(key) | Self::NewWithKey(key) | Self::KeyOrNew(key) => {
                done.key.as_ref() == Some(key)
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "aggregate {id}"),
            Self::New => f.write_str("a new aggregate"),
            Self::Key(key) | Self::NewWithKey(key) | Self::KeyOrNew(key) => {
                write!(f, "the aggregate with the key `{key}`")
            }
        }
    }
}

impl From<AggregateId> for Target {
    fn from(id: AggregateId) -> Self {
        Self::Id(id)
    }
}

impl From<NaturalKey> for Target {
    fn from(key: NaturalKey) -> Self {
        Self::Key(key)
    }
}

impl TryFrom<&str> for Target {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self> {
        NaturalKey::new(key).map(Self::Key)
    }
}

impl TryFrom<String> for Target {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        NaturalKey::new(key).map(Self::Key)
    }
}

impl Context {
    /// Loads or stages the aggregate that a command is for.
    pub(crate) async fn target<T: Aggregate>(
        &mut self,
        target: &Target,
    ) -> Result<StateAggregate<T>> {
        match target {
            Target::Id(id) => self.load(*id).await,
            Target::Key(key) => self.find_key(key).await?.ok_or_else(|| unknown_key::<T>(key)),
            Target::New => self.stage_new(None, OnKeyTaken::Fail).await,
            Target::NewWithKey(key) => self.stage_new(Some(key.clone()), OnKeyTaken::Fail).await,
            Target::KeyOrNew(key) => self.find_or_stage(key).await,
        }
    }
}
