//! Defines the command log: how long outcomes are kept, and how they are found.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::pruning;
use crate::engine::{
    Capability, CommandLogStorage, CommandOutcome, CommandsRequest, Positions, StoredCommand,
    require,
};
use crate::shared::Shared;
use crate::{AggregateId, CommandId, CommitId, EventStore, Result};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;

/// The time for which outcomes are kept unless a store says otherwise.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The most outcomes that one call returns.
const MOST_READ: u32 = 1_000;

/// How long the outcomes of commands are kept. Set with
/// [`EventStoreBuilder::command_log`](crate::EventStoreBuilder::command_log); by default, a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLog {
    kept: Option<Duration>,
}

/// Shows the outcomes of commands, whichever process has done them. Made by [`EventStore::command_log`].
#[derive(Clone, Debug)]
pub struct LoggedCommands {
    store: Arc<Shared>,
}

/// A selection of the command log. Made by [`CommandQuery::new`], which selects everything; each method restricts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandQuery {
    request: CommandsRequest,
}

/// A command that has landed or was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCommand {
    /// Its id, which is the causation id of its events.
    pub id: CommandId,
    /// The stored name of its type.
    pub command: Box<str>,
    /// The stored name of the type of its aggregate.
    pub aggregate_type: Box<str>,
    /// Its aggregate; `None` if there is none.
    pub aggregate_id: Option<AggregateId>,
    /// The reason for which it was rejected; `None` if it has landed.
    pub rejection: Option<Box<str>>,
    /// The user or service that has sent it.
    pub principal: Option<Box<str>>,
    /// The correlation id, which is also that of its events.
    pub correlation_id: Option<Box<str>>,
    /// The id of what has caused it.
    pub causation_id: Option<Box<str>>,
    /// The time at which it was sent, by the clock of the database.
    pub sent_at: DateTime<Utc>,
    /// The time at which it has landed or was rejected, by the clock of the database.
    pub ended_at: DateTime<Utc>,
    /// The time that its last attempt has taken before the commit.
    pub took: Duration,
    /// The commit that its outcome was stored with.
    pub commit: CommitId,
    /// The positions of its events.
    pub positions: Positions,
}

impl CommandLog {
    /// Keeps outcomes for this long, by the clock of the database. Workers that do commands remove older ones now and
    /// then.
    #[must_use]
    pub const fn keep(time: Duration) -> Self {
        Self { kept: Some(time) }
    }

    /// Keeps outcomes until they are [pruned](LoggedCommands::prune).
    #[must_use]
    pub const fn keep_forever() -> Self {
        Self { kept: None }
    }

    pub(super) const fn kept(self) -> Option<Duration> {
        self.kept
    }
}

impl Default for CommandLog {
    fn default() -> Self {
        Self::keep(WEEK)
    }
}

impl EventStore {
    /// Shows the outcomes of commands that were sent.
    #[must_use]
    pub fn command_log(&self) -> LoggedCommands {
        LoggedCommands { store: Arc::clone(&self.inner) }
    }
}

/// Returns the storage of the command log.
pub(super) fn storage(store: &Shared) -> Result<&dyn CommandLogStorage> {
    require(&*store.engine, Capability::CommandLog)?;
    Ok(store.engine.command_log().expect("BUG: the engine has declared a command log"))
}

impl LoggedCommands {
    /// Finds a command that has landed or was rejected. [`EventStore::outcome`] also tells of those that have not.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the engine has no command log, and the engine's errors.
    pub async fn find(&self, id: CommandId) -> Result<Option<LoggedCommand>> {
        let found = storage(&self.store)?.find(id).await?;
        Ok(found.map(Into::into))
    }

    /// Returns up to `limit` commands that have landed or were rejected, the newest first; at most 1,000.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    ///
    /// # Example
    /// ```standalone_crate
    /// # use evercore_memory as _;
    /// use evercore::EventStore;
    /// use evercore::command::CommandQuery;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// let store = EventStore::connect("memory:").await?;
    /// let rejected = CommandQuery::new().command("Withdraw").rejected();
    /// let mut page = store.command_log().list(&rejected, 100).await?;
    /// while let Some(last) = page.last() {
    ///     let rest = rejected.clone().after(last);
    ///     page = store.command_log().list(&rest, 100).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(&self, query: &CommandQuery, limit: u32) -> Result<Vec<LoggedCommand>> {
        let request = CommandsRequest { limit: limit.clamp(1, MOST_READ), ..query.request.clone() };
        let found = storage(&self.store)?.list(&request).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// Removes the outcomes that were stored longer ago than this, page by page, and returns their number.
    ///
    /// # Errors
    /// As [`find`](Self::find). What was removed before the error stays removed.
    pub async fn prune(&self, older_than: Duration) -> Result<u64> {
        pruning::remove_all(storage(&self.store)?, older_than).await
    }
}

impl CommandQuery {
    /// Selects all outcomes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects commands with this correlation id.
    #[must_use]
    pub fn correlation(mut self, id: impl Into<Box<str>>) -> Self {
        self.request.correlation_id = Some(id.into());
        self
    }

    /// Selects commands of the type with this stored name.
    #[must_use]
    pub fn command(mut self, name: impl Into<Box<str>>) -> Self {
        self.request.command = Some(name.into());
        self
    }

    /// Selects commands for this aggregate.
    #[must_use]
    pub const fn aggregate(mut self, id: AggregateId) -> Self {
        self.request.aggregate_id = Some(id);
        self
    }

    /// Selects commands that have landed.
    #[must_use]
    pub const fn landed(mut self) -> Self {
        self.request.is_rejected = Some(false);
        self
    }

    /// Selects commands that were rejected.
    #[must_use]
    pub const fn rejected(mut self) -> Self {
        self.request.is_rejected = Some(true);
        self
    }

    /// Selects commands that ended at this time or later.
    #[must_use]
    pub const fn since(mut self, time: DateTime<Utc>) -> Self {
        self.request.from = Some(time);
        self
    }

    /// Selects commands that ended before this time.
    #[must_use]
    pub const fn until(mut self, time: DateTime<Utc>) -> Self {
        self.request.until = Some(time);
        self
    }

    /// Selects the commands that follow this one in the log: those that ended before it. For the next page.
    #[must_use]
    pub const fn after(mut self, last: &LoggedCommand) -> Self {
        self.request.after = Some((last.ended_at, last.id));
        self
    }
}

impl From<StoredCommand> for LoggedCommand {
    fn from(stored: StoredCommand) -> Self {
        let StoredCommand { outcome, ended_at, committed } = stored;
        let CommandOutcome {
            id,
            command,
            aggregate_type,
            aggregate_id,
            rejection,
            principal,
            correlation_id,
            causation_id,
            sent_at,
            took,
        } = outcome;
        Self {
            id,
            command,
            aggregate_type,
            aggregate_id,
            rejection,
            principal,
            correlation_id,
            causation_id,
            sent_at,
            ended_at,
            took,
            commit: committed.id,
            positions: committed.positions,
        }
    }
}
