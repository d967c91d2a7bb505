//! Tells what has become of a command that was sent.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::log::storage;
use crate::TaskId;
use crate::engine::{
    Capability, CommandOutcome, LONGEST_WAIT, Positions, StoredCommand, StoredPlace, StoredTask,
    require,
};
use crate::retry::pause;
use crate::{AggregateId, CommandId, Error, EventStore, Result};

/// The time between the first two looks at the outcome of a command; each later one is twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// What has become of a command that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It waits for its time, or for a worker; after a failure also for its next attempt.
    Waiting {
        /// The time before which no worker claims it.
        due: DateTime<Utc>,
    },
    /// A worker has claimed it.
    Running {
        /// The name of the worker.
        by: String,
    },
    /// The aggregate has accepted it, and its events are stored.
    Landed {
        /// The aggregate; `None` if the command was to create one, and emitted nothing.
        aggregate: Option<AggregateId>,
        /// The positions of its events; none if it emitted nothing.
        positions: Positions,
    },
    /// The aggregate has rejected it, or it has no target. Nothing was stored.
    Rejected {
        /// The reason.
        reason: String,
    },
    /// It has failed for good, for reasons that are not those of the aggregate. An operator may
    /// [retry](crate::task::Queues::retry) it.
    Dead {
        /// The time of its last failure.
        since: DateTime<Utc>,
        /// The last failure, with its causes.
        failure: String,
    },
    /// An operator has [discarded](crate::task::Queues::discard) it.
    Discarded {
        /// The time at which it was discarded.
        at: DateTime<Utc>,
        /// The reason.
        reason: String,
    },
}

impl Outcome {
    /// Returns whether it stays as it is, unless an operator retries the command.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::Running { .. })
    }

    fn of_task(task: StoredTask) -> Self {
        match task.place {
            StoredPlace::Waiting => Self::Waiting { due: task.due },
            StoredPlace::Claimed { owner, .. } => Self::Running { by: owner },
            StoredPlace::Dead { since } => {
                Self::Dead { since, failure: task.failure.unwrap_or_default() }
            }
            StoredPlace::Discarded { at, reason } => Self::Discarded { at, reason },
        }
    }

    fn of_log(stored: StoredCommand) -> Self {
        let StoredCommand { outcome: CommandOutcome { aggregate_id, rejection, .. }, .. } = &stored;
        match rejection {
            Some(reason) => Self::Rejected { reason: reason.to_string() },
            None => {
                Self::Landed { aggregate: *aggregate_id, positions: stored.committed.positions }
            }
        }
    }
}

impl EventStore {
    /// Returns what has become of a command that was sent, in whichever process. `None` if it was never sent, if it was
    /// cancelled or replaced, or if the [log](super::CommandLog) does not keep its outcome any more.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the engine has no command log, and the engine's errors.
    pub async fn outcome(&self, id: CommandId) -> Result<Option<Outcome>> {
        require(&*self.inner.engine, Capability::Tasks)?;
        let tasks = self.inner.engine.tasks();
        let tasks = tasks.expect("BUG: the engine has declared tasks");
        // The log is read last: a command that was done in between is in it.
        if let Some(task) = tasks.find_task(TaskId::from(id)).await? {
            return Ok(Some(Outcome::of_task(task)));
        }
        let stored = storage(&self.inner)?.find(id).await?;
        Ok(stored.map(Outcome::of_log))
    }

    /// Waits until a command has an [outcome](Self::outcome) that is [final](Outcome::is_final), for at most this long.
    ///
    /// # Errors
    /// - [`Error::OutcomeTimedOut`] if it has none within the limit. The command is done all the same.
    /// - [`Error::UnknownCommand`] if no such command is known, or not any more.
    /// - Those of [`outcome`](Self::outcome).
    pub async fn wait_for_outcome(&self, id: CommandId, limit: Duration) -> Result<Outcome> {
        let began = Instant::now();
        let limit = limit.min(LONGEST_WAIT);
        let mut wait = FIRST_LOOK;
        loop {
            match self.outcome(id).await? {
                None => return Err(Error::UnknownCommand { id }),
                Some(outcome) if outcome.is_final() => return Ok(outcome),
                Some(_) => {}
            }
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Error::OutcomeTimedOut { id, limit });
            }
            pause(wait.min(left)).await;
            wait = (wait * 2).min(LAST_LOOK);
        }
    }
}
