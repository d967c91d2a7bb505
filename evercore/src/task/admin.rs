//! Shows and controls the queues of a store.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;
use tracing::info;

use super::claimed::About;
use super::{Priority, QueueName, Task, TaskBody, TaskId, TaskKey, reply};
use crate::engine::{
    Capability, Controlled, QueueControl, StoredPlace, StoredQueue, StoredTask, StoredTasks,
    TaskPlace, TaskReturn, TaskStorage, TasksRequest, WhichTasks, require,
};
use crate::shared::Shared;
use crate::{Error, EventStore, Metadata, Payload, Result};

/// The most characters of a reason for discarding tasks.
const MAX_REASON_CHARS: usize = 2_000;

/// The most tasks that one call returns.
const MOST_READ: u32 = 1_000;

/// The number of dead tasks that are retried or discarded at a time, so that a queue of many is locked only in parts.
const PAGE: u32 = 1_000;

/// The token of a task that is not claimed.
const NO_TOKEN: i64 = 0;

/// The interval at which a queue is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Shows and controls the queues of a store, in whichever process their workers run. Made by [`EventStore::queues`].
#[derive(Clone, Debug)]
pub struct Queues {
    store: Arc<Shared>,
}

/// What is in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Its name.
    pub name: QueueName,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The number of tasks that are due and wait for a worker.
    pub due: u64,
    /// The time at which the oldest of those was due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// The number of tasks whose time has not come, including those that are tried again later.
    pub scheduled: u64,
    /// The number of tasks that workers are doing.
    pub running: u64,
    /// The number of dead tasks.
    pub dead: u64,
}

/// A task as it is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its id.
    pub id: TaskId,
    /// Its queue.
    pub queue: QueueName,
    /// Its key.
    pub key: Option<TaskKey>,
    /// Its priority.
    pub priority: Priority,
    /// The stored name of its type.
    pub task_type: Box<str>,
    /// The version of its shape.
    pub version: u32,
    /// Its body, as it is encoded.
    pub body: Payload,
    /// Its metadata.
    pub metadata: Metadata,
    /// The time at which it was enqueued.
    pub enqueued_at: DateTime<Utc>,
    /// The number of times that it was claimed.
    pub attempts: u32,
    /// The failure of the last attempt that has failed, with its causes.
    pub failure: Option<String>,
    /// Its state.
    pub state: TaskState,
}

/// The state of a stored task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits for its time, or for a worker.
    Waiting {
        /// The time before which it is not claimed.
        due: DateTime<Utc>,
    },
    /// A worker has claimed it.
    Claimed {
        /// The name of the worker.
        by: String,
        /// The time at which the lease ends, if it is not renewed.
        until: DateTime<Utc>,
    },
    /// It has failed for good.
    Dead {
        /// The time of its last failure.
        since: DateTime<Utc>,
    },
    /// It was discarded.
    Discarded {
        /// The time at which it was discarded.
        at: DateTime<Utc>,
        /// The reason.
        reason: String,
    },
}

impl EventStore {
    /// Shows and controls the queues of the store.
    #[must_use]
    pub fn queues(&self) -> Queues {
        Queues { store: Arc::clone(&self.inner) }
    }

    /// Enqueues a task by a commit of its own. [`Context::enqueue`](crate::Context::enqueue) does so together with
    /// events.
    ///
    /// # Errors
    /// Those of [`Context::enqueue`](crate::Context::enqueue), and of a commit.
    pub async fn enqueue<T: TaskBody>(&self, task: impl Into<Task<T>>) -> Result<TaskId> {
        let task = task.into();
        self.with_context_once(async |ctx| ctx.enqueue(task)).await
    }
}

impl Queues {
    fn tasks(&self) -> Result<&dyn TaskStorage> {
        require(&*self.store.engine, Capability::Tasks)?;
        Ok(self.store.engine.tasks().expect("BUG: the engine has declared tasks"))
    }

    /// Returns the queues in which anything is stored, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the engine has no tasks, and the engine's errors.
    pub async fn list(&self) -> Result<Vec<QueueStatus>> {
        let queues = self.tasks()?.queues(None).await?;
        Ok(queues.into_iter().map(Into::into).collect())
    }

    /// Returns what is in a queue; one in which nothing was ever stored is empty.
    ///
    /// # Errors
    /// [`Error::InvalidTask`] if the name is invalid, and as [`list`](Self::list).
    pub async fn get(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
    ) -> Result<QueueStatus> {
        let name = queue.try_into().map_err(Into::into)?;
        let found = self.tasks()?.queues(Some(&name)).await?.pop();
        Ok(found.unwrap_or_else(|| StoredQueue::new(name)).into())
    }

    /// Returns up to `limit` tasks of a queue that wait or are claimed: those of a higher priority first, then in the
    /// order of the times at which they are due, or at which their leases end. `after` is the last task of the page
    /// before. A task whose time changes meanwhile may be left out, or be shown twice.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn waiting(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        after: Option<&TaskInfo>,
        limit: u32,
    ) -> Result<Vec<TaskInfo>> {
        self.read(queue.try_into().map_err(Into::into)?, StoredTasks::Live, after, limit).await
    }

    /// Returns up to `limit` dead tasks of a queue, about in the order in which they were enqueued. `after` is the last
    /// task of the page before.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn dead(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        after: Option<&TaskInfo>,
        limit: u32,
    ) -> Result<Vec<TaskInfo>> {
        self.read(queue.try_into().map_err(Into::into)?, StoredTasks::Dead, after, limit).await
    }

    /// Returns up to `limit` tasks of a queue that were discarded, about in the order in which they were enqueued. `after`
    /// is the last task of the page before.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn discarded(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        after: Option<&TaskInfo>,
        limit: u32,
    ) -> Result<Vec<TaskInfo>> {
        self.read(queue.try_into().map_err(Into::into)?, StoredTasks::Discarded, after, limit).await
    }

    /// Returns the task with this key that waits or is claimed.
    ///
    /// # Errors
    /// [`Error::InvalidTask`] if the name or the key is invalid, and as [`list`](Self::list).
    pub async fn find(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        key: impl TryInto<TaskKey, Error: Into<Error>>,
    ) -> Result<Option<TaskInfo>> {
        let request = TasksRequest {
            queue: queue.try_into().map_err(Into::into)?,
            which: StoredTasks::Live,
            key: Some(key.try_into().map_err(Into::into)?),
            after: None,
            limit: 1,
        };
        Ok(self.tasks()?.tasks(&request).await?.pop().map(Into::into))
    }

    async fn read(
        &self,
        queue: QueueName,
        which: StoredTasks,
        after: Option<&TaskInfo>,
        limit: u32,
    ) -> Result<Vec<TaskInfo>> {
        let (after, limit) = (after.map(TaskInfo::place), limit.clamp(1, MOST_READ));
        let request = TasksRequest { queue, which, key: None, after, limit };
        let tasks = self.tasks()?.tasks(&request).await?;
        Ok(tasks.into_iter().map(Into::into).collect())
    }

    /// Pauses a queue: nothing is claimed from it until it is [resumed](Self::resume). Tasks that are claimed go on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn pause(&self, queue: impl TryInto<QueueName, Error: Into<Error>>) -> Result<()> {
        self.control(queue.try_into().map_err(Into::into)?, QueueControl::Pause).await.map(drop)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn resume(&self, queue: impl TryInto<QueueName, Error: Into<Error>>) -> Result<()> {
        self.control(queue.try_into().map_err(Into::into)?, QueueControl::Resume).await.map(drop)
    }

    /// Makes a task due at once, with all its attempts: a dead one, or one that waits.
    ///
    /// # Errors
    /// - [`Error::UnknownTask`] if there is no such task in the queue, or a worker has claimed it.
    /// - [`Error::TaskKeyTaken`] if another task has its key by now.
    /// - As [`get`](Self::get).
    pub async fn retry(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        task: TaskId,
    ) -> Result<()> {
        let control = QueueControl::Retry(WhichTasks::Id(task));
        self.control(queue.try_into().map_err(Into::into)?, control).await.map(drop)
    }

    /// Makes all dead tasks of a queue due at once, with all their attempts, and returns their number. Those whose key
    /// another task has by now stay dead.
    ///
    /// Changes up to 1,000 tasks at a time. If it fails or is dropped, those before stay changed.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn retry_all(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
    ) -> Result<u64> {
        self.control_dead(queue.try_into().map_err(Into::into)?, QueueControl::Retry).await
    }

    /// Removes a task for a reason, which is kept: a dead one, or one that waits. A command that waits is
    /// [returned](crate::task::Task::return_failed_to) to its sender, if that has asked for it; a dead one was.
    ///
    /// # Errors
    /// - [`Error::UnknownTask`] if there is no such task in the queue, or a worker has claimed it.
    /// - [`Error::InvalidTask`] if the reason is empty or has more than 2,000 characters.
    /// - As [`get`](Self::get).
    pub async fn discard(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        task: TaskId,
        reason: impl Into<String>,
    ) -> Result<()> {
        let queue: QueueName = queue.try_into().map_err(Into::into)?;
        let reason = checked_reason(reason.into())?;
        let found = self.tasks()?.find_task(task).await?;
        let returns = found.as_ref().and_then(|found| self.return_of(found, &reason));
        let waits = found.is_some_and(|found| found.place == StoredPlace::Waiting);
        let which = WhichTasks::Id(task);
        let control = QueueControl::Discard { which, reason, returns: returns.clone() };
        self.control(queue.clone(), control).await?;
        if let Some(returned) = returns.filter(|_| waits) {
            reply::say(&queue, task, &returned);
        }
        Ok(())
    }

    /// Returns how a task comes back to its sender if it is discarded before it was done.
    fn return_of(&self, task: &StoredTask, reason: &str) -> Option<TaskReturn> {
        let why = format!("it was discarded: {reason}");
        let default_metadata = self.store.default_metadata.as_ref();
        reply::failed(&About::new(task, NO_TOKEN), &why, default_metadata)
    }

    /// Removes all dead tasks of a queue for a reason, which is kept, and returns their number.
    ///
    /// Changes up to 1,000 tasks at a time. If it fails or is dropped, those before stay changed.
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    pub async fn discard_all(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        reason: impl Into<String>,
    ) -> Result<u64> {
        let queue = queue.try_into().map_err(Into::into)?;
        let reason = checked_reason(reason.into())?;
        let discard =
            |which| QueueControl::Discard { which, reason: reason.clone(), returns: None };
        self.control_dead(queue, discard).await
    }

    /// Controls all dead tasks of a queue, page by page.
    async fn control_dead(
        &self,
        queue: QueueName,
        control: impl Fn(WhichTasks) -> QueueControl + Send,
    ) -> Result<u64> {
        let (mut after, mut changed) = (None, 0);
        loop {
            let page = control(WhichTasks::Dead { after, limit: PAGE });
            let done = self.control(queue.clone(), page).await?;
            changed += done.changed;
            after = done.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }

    async fn control(&self, queue: QueueName, control: QueueControl) -> Result<Controlled> {
        let done = self.tasks()?.control(&queue, &control).await?;
        if done.changed > 0 {
            say(&queue, &control, done.changed);
        }
        Ok(done)
    }

    /// Waits until a queue has no task that is due or running. Tasks whose time has not come are not waited for, nor are
    /// dead ones. For tests.
    ///
    /// It waits for ever if no worker does the tasks; bound it with a timeout.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn wait_until_idle(
        &self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
    ) -> Result<()> {
        let queue: QueueName = queue.try_into().map_err(Into::into)?;
        loop {
            let status = self.get(&queue).await?;
            if status.due == 0 && status.running == 0 {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
}

fn checked_reason(reason: String) -> Result<String> {
    let length = reason.chars().count();
    if reason.trim().is_empty() || length > MAX_REASON_CHARS || reason.contains('\0') {
        return Err(Error::InvalidTask {
            what: "reason for discarding tasks",
            value: crate::key::shorten(&reason),
            problem: format!("it has 1 to {MAX_REASON_CHARS} characters, and no NUL"),
        });
    }
    Ok(reason)
}

/// Logs what an operator has done.
fn say(queue: &QueueName, control: &QueueControl, tasks: u64) {
    match control {
        QueueControl::Pause => info!(%queue, "a queue was paused"),
        QueueControl::Resume => info!(%queue, "a queue was resumed"),
        QueueControl::Retry(_) => info!(%queue, tasks, "tasks were made due again"),
        QueueControl::Discard { reason, .. } => {
            info!(%queue, tasks, reason, "tasks were discarded")
        }
    }
}

impl From<StoredQueue> for QueueStatus {
    fn from(stored: StoredQueue) -> Self {
        let StoredQueue { name, paused, due, oldest_due, scheduled, running, dead } = stored;
        Self { name, is_paused: paused, due, oldest_due, scheduled, running, dead }
    }
}

impl TaskInfo {
    fn place(&self) -> TaskPlace {
        let due = match &self.state {
            TaskState::Waiting { due } => *due,
            TaskState::Claimed { until, .. } => *until,
            TaskState::Dead { since } => *since,
            TaskState::Discarded { at, .. } => *at,
        };
        TaskPlace { priority: self.priority, due, id: self.id }
    }
}

impl From<StoredTask> for TaskInfo {
    fn from(stored: StoredTask) -> Self {
        let state = match stored.place {
            StoredPlace::Waiting => TaskState::Waiting { due: stored.due },
            StoredPlace::Claimed { owner, .. } => {
                TaskState::Claimed { by: owner, until: stored.due }
            }
            StoredPlace::Dead { since } => TaskState::Dead { since },
            StoredPlace::Discarded { at, reason } => TaskState::Discarded { at, reason },
        };
        Self {
            id: stored.id,
            queue: stored.queue,
            key: stored.key,
            priority: stored.priority,
            task_type: stored.task_type,
            version: stored.version,
            body: stored.payload,
            metadata: stored.metadata,
            enqueued_at: stored.enqueued_at,
            attempts: stored.attempts,
            failure: stored.failure,
            state,
        }
    }
}
