//! Lists what an engine can do beyond the base of the contract.

use std::fmt;

use super::StorageEngine;
use crate::{Error, Result};

/// A part of the contract that an engine may lack. The core refuses calls that need it on such an engine with
/// [`Error::Unsupported`], before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Several reads as of one moment: [`StorageEngine::begin_read`].
    ReadViews,
    /// Reads of the stored rows as they are: [`StorageEngine::inspection`].
    Inspection,
    /// Transactions that user code writes its own rows in: [`Transactor`](super::Transactor).
    Transactions,
    /// Work that is recorded as done with a commit outside of a transaction: [`Commit::completes`](super::Commit).
    Completions,
    /// Events with tags, reads by tags, and conditions of commits on such reads: [`Reader::read_tagged`](super::Reader)
    /// and [`Commit::conditions`](super::Commit).
    Tags,
    /// Tasks, which are enqueued by commits and done by workers: [`TaskStorage`](super::TaskStorage).
    Tasks,
    /// Unique values: [`Commit::unique`](super::Commit) and [`LoadTarget::Unique`](super::LoadTarget).
    UniqueValues,
    /// The outcomes of commands: [`Commit::outcomes`](super::Commit) and
    /// [`CommandLogStorage`](super::CommandLogStorage).
    CommandLog,
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u32);

impl Capability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReadViews,
        Self::Inspection,
        Self::Transactions,
        Self::Completions,
        Self::Tags,
        Self::Tasks,
        Self::UniqueValues,
        Self::CommandLog,
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Returns the operation that needs it, for [`Error::Unsupported`].
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::ReadViews => "several reads as of one moment",
            Self::Inspection => "the verification of stored data",
            Self::Transactions => "transactions that write rows of your own",
            Self::Completions => "a commit that completes a settlement",
            Self::Tags => "events with tags, and decisions that rest on tags",
            Self::Tasks => "tasks",
            Self::UniqueValues => "unique values of aggregates",
            Self::CommandLog => "commands that are sent, and their log",
        }
    }

    /// Returns what a caller can do instead, for [`Error::Unsupported`].
    pub(crate) const fn alternative(self) -> &'static str {
        match self {
            Self::ReadViews => {
                "load aggregates in `with_context`, and read pages with `EventStore::history` and `EventStore::read_log`"
            }
            Self::Inspection => {
                "read the log with `EventStore::read_log`, and decode its events with `EventStore::registry`"
            }
            Self::Transactions => {
                "use `with_context`, and keep the rows with a subscription that stores its position beside them"
            }
            Self::Completions => "commit first, and let the worker record the batch",
            Self::Tags => "give the rule an aggregate of its own, and the event no tags",
            Self::Tasks => "follow the log with a subscription, and do the work in its handler",
            Self::UniqueValues => "use the value as the natural key of an aggregate",
            Self::CommandLog => "execute commands directly, with `EventStore::dispatch`",
        }
    }
}

impl Capabilities {
    /// The base of the contract alone.
    pub const NONE: Self = Self(0);

    /// Adds a capability.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability.bit())
    }

    /// Removes a capability.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !capability.bit())
    }

    /// Returns whether it contains a capability.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Returns its capabilities.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.has(*capability))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation())
    }
}

/// Checks that an engine declares the capability that an operation needs.
pub(crate) fn require(engine: &dyn StorageEngine, operation: Capability) -> Result<()> {
    if engine.capabilities().has(operation) {
        Ok(())
    } else {
        Err(Error::Unsupported { operation, engine: engine.name() })
    }
}
