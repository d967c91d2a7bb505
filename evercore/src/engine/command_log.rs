//! Defines the storage of the command log: the outcomes of commands, each written by the commit that it is the outcome of.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{AggregateId, CommandId, Committed, Result};

/// The outcome of a command, as a part of a [`Commit`](super::Commit): it is stored if and only if the commit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The command's id. No outcome is stored for it yet.
    pub id: CommandId,
    /// The stored name of the command's type.
    pub command: Box<str>,
    /// The stored name of the type of its aggregate.
    pub aggregate_type: Box<str>,
    /// Its aggregate; `None` if there is none.
    pub aggregate_id: Option<AggregateId>,
    /// The reason for which it was rejected; `None` if it landed. Without a NUL.
    pub rejection: Option<Box<str>>,
    /// The user or service that has sent it.
    pub principal: Option<Box<str>>,
    /// The correlation id.
    pub correlation_id: Option<Box<str>>,
    /// The id of what has caused the command.
    pub causation_id: Option<Box<str>>,
    /// The time at which it was sent, by the clock of the database.
    pub sent_at: DateTime<Utc>,
    /// The time that the last attempt has taken before its commit.
    pub took: Duration,
}

/// The outcome of a command as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCommand {
    /// The outcome, as it was written.
    pub outcome: CommandOutcome,
    /// The time at which it was stored, by the clock of the database.
    pub ended_at: DateTime<Utc>,
    /// The commit that has stored it.
    pub committed: Committed,
}

impl StoredCommand {
    /// Makes a stored outcome.
    #[must_use]
    pub const fn new(
        outcome: CommandOutcome,
        ended_at: DateTime<Utc>,
        committed: Committed,
    ) -> Self {
        Self { outcome, ended_at, committed }
    }
}

/// A selection of the command log, to read. Only outcomes for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandsRequest {
    /// The correlation id.
    pub correlation_id: Option<Box<str>>,
    /// The stored name of the type of the command.
    pub command: Option<Box<str>>,
    /// The aggregate.
    pub aggregate_id: Option<AggregateId>,
    /// Whether the command was rejected.
    pub is_rejected: Option<bool>,
    /// The earliest time at which it ended.
    pub from: Option<DateTime<Utc>>,
    /// The first time at which it is too late.
    pub until: Option<DateTime<Utc>>,
    /// Only those that follow this one, in the order of the answer.
    pub after: Option<(DateTime<Utc>, CommandId)>,
    /// The most to return, at least 1.
    pub limit: u32,
}

/// Stores the outcomes of commands. They are written by [`commit`](super::StorageEngine::commit).
#[async_trait]
pub trait CommandLogStorage: Send + Sync {
    /// Finds the outcome of a command.
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>>;

    /// Reads outcomes, the newest first: by the times at which they were stored, and then by their ids.
    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>>;

    /// Removes up to `limit` of the oldest outcomes that were stored longer ago than this, and returns their number.
    async fn prune(&self, older_than: Duration, limit: u32) -> Result<u64>;
}
