//! Defines the storage of tasks: what a commit enqueues and cancels, and what workers claim and complete.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Claim, LogWatch};
#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;
use crate::{IfKeyExists, Metadata, Payload, Priority, QueueName, Result, TaskId, TaskKey};

/// A change of the tasks of a queue, as a part of a [`Commit`](super::Commit).
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most changes enqueue")]
pub enum TaskChange {
    /// Adds a task.
    Enqueue(NewTask),
    /// Removes the task with this key, unless it is dead. Changes nothing if there is none. If a worker has claimed
    /// the task, it loses its lease.
    Cancel {
        /// The queue.
        queue: QueueName,
        /// The key of the task.
        key: TaskKey,
    },
}

impl TaskChange {
    /// Returns the size of what is stored, for [`Limits::max_commit_bytes`](crate::Limits::max_commit_bytes).
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Enqueue(task) => {
                let labels = [task.metadata.correlation_id(), task.metadata.causation_id()];
                let texts = labels.into_iter().chain([task.metadata_column.as_deref()]);
                task.payload.bytes().len() + texts.flatten().map(str::len).sum::<usize>()
            }
            Self::Cancel { .. } => 0,
        }
    }

    /// Returns the key that the change contends for.
    pub(super) fn claim(&self) -> Option<Claim> {
        let (queue, key) = match self {
            Self::Enqueue(task) => (&task.queue, task.key.as_ref()?),
            Self::Cancel { queue, key } => (queue, key),
        };
        Some(Claim::TaskKey(queue.clone(), key.clone()))
    }
}

/// A task to be stored.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its id, which is new.
    pub id: TaskId,
    /// Its queue.
    pub queue: QueueName,
    /// Its key, which no other task of the queue has at the same time. Dead tasks do not count.
    pub key: Option<TaskKey>,
    /// The reaction to another task with the same key.
    pub if_key_exists: IfKeyExists,
    /// The time before which it is not claimed.
    pub due: Due,
    /// Its priority among the due tasks of its queue.
    pub priority: Priority,
    /// The stored name of its type.
    pub task_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// Its encoded body.
    pub payload: Payload,
    /// Its metadata.
    pub metadata: Metadata,
    /// The metadata as [`Metadata::to_column`] returns it, encoded once.
    pub metadata_column: Option<String>,
}

/// The time before which a task is not claimed, by the clock of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At this time; at once if it has passed.
    At(DateTime<Utc>),
    /// This long after the time at which the task is stored.
    After(Duration),
}

/// Identifies the lease of a claimed task. A task that is claimed again has another lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskLease {
    /// The queue.
    pub queue: QueueName,
    /// The task.
    pub id: TaskId,
    /// The token of the lease. No two leases of a database have the same.
    pub token: i64,
}

/// The request of a worker for tasks.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The queue.
    pub queue: QueueName,
    /// The name of the worker: 1 to 128 bytes without a NUL.
    pub owner: String,
    /// The time that the leases last without renewal.
    pub lease: Duration,
    /// The most tasks to claim, at least 1.
    pub limit: u32,
}

/// The answer to [`TaskStorage::claim`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TaskClaim {
    /// The tasks that were claimed, in the order of their priority and then of the times at which they were due.
    pub tasks: Vec<StoredTask>,
    /// Whether the queue is paused. Then nothing is claimed.
    pub paused: bool,
    /// If fewer tasks than requested were claimed, the time until a task of the queue may be due: one that is scheduled,
    /// or one whose lease ends. `None` if there is none.
    pub next_due: Option<Duration>,
}

/// A task as stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredTask {
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
    /// Its encoded body.
    pub payload: Payload,
    /// Its metadata.
    pub metadata: Metadata,
    /// The time at which it was enqueued, by the clock of the database.
    pub enqueued_at: DateTime<Utc>,
    /// The time before which it is not claimed; for a claimed one, the end of its lease.
    pub due: DateTime<Utc>,
    /// The number of times that it was claimed.
    pub attempts: u32,
    /// The failure of the last attempt that has failed.
    pub failure: Option<String>,
    /// Whether its last lease had ended without an outcome when it was claimed.
    pub is_abandoned: bool,
    /// Where it is.
    pub place: StoredPlace,
}

impl StoredTask {
    /// Makes a task that waits and was never claimed.
    #[must_use]
    pub fn new(
        id: TaskId,
        queue: QueueName,
        task_type: Box<str>,
        version: u32,
        payload: Payload,
        enqueued_at: DateTime<Utc>,
        due: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            queue,
            key: None,
            priority: Priority::Normal,
            task_type,
            version,
            payload,
            metadata: Metadata::new(),
            enqueued_at,
            due,
            attempts: 0,
            failure: None,
            is_abandoned: false,
            place: StoredPlace::Waiting,
        }
    }
}

/// Where a stored task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredPlace {
    /// It waits for its time, or for a worker.
    Waiting,
    /// A worker has claimed it.
    Claimed {
        /// The token of the lease.
        token: i64,
        /// The name of the worker.
        owner: String,
    },
    /// It has failed for good.
    Dead {
        /// The time at which it has failed.
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

/// The failure of an attempt.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    /// The lease of the attempt.
    pub lease: TaskLease,
    /// The failure, with its causes.
    pub failure: String,
    /// The time after which the task is claimed again; `None` if it is dead.
    pub retry_after: Option<Duration>,
    /// If it is dead: the task that is enqueued with its death, so that its sender learns of it.
    pub returns: Option<TaskReturn>,
}

/// A task that is enqueued because another one will not be done. It has the type, version and body of that one, is due
/// at once, and has no key and the normal priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskReturn {
    /// Its id, which is new.
    pub id: TaskId,
    /// Its queue.
    pub queue: QueueName,
    /// Its metadata.
    pub metadata: Metadata,
    /// The metadata as [`Metadata::to_column`] returns it, encoded once.
    pub metadata_column: Option<String>,
}

/// A selection of the tasks of a queue, to read.
#[derive(Clone, Debug)]
pub struct TasksRequest {
    /// The queue.
    pub queue: QueueName,
    /// Where they are.
    pub which: StoredTasks,
    /// Only those with this key.
    pub key: Option<TaskKey>,
    /// Only those after this place.
    pub after: Option<TaskPlace>,
    /// The most tasks to return, at least 1.
    pub limit: u32,
}

/// The place of a task among those of its queue, after which a page of tasks begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskPlace {
    /// Its priority.
    pub priority: Priority,
    /// The time before which it is not claimed; for a claimed one, the end of its lease.
    pub due: DateTime<Utc>,
    /// Its id.
    pub id: TaskId,
}

/// The tasks of a queue, by where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredTasks {
    /// Those that wait or are claimed.
    Live,
    /// Those that have failed for good.
    Dead,
    /// Those that were discarded.
    Discarded,
}

/// What is in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredQueue {
    /// Its name.
    pub name: QueueName,
    /// Whether it is paused.
    pub paused: bool,
    /// The number of tasks that are due and wait for a worker.
    pub due: u64,
    /// The time at which the oldest of those was due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// The number of tasks whose time has not come.
    pub scheduled: u64,
    /// The number of tasks that a worker has claimed, and whose lease has not ended.
    pub running: u64,
    /// The number of dead tasks.
    pub dead: u64,
}

impl StoredQueue {
    /// Makes an empty queue that is not paused.
    #[must_use]
    pub const fn new(name: QueueName) -> Self {
        Self { name, paused: false, due: 0, oldest_due: None, scheduled: 0, running: 0, dead: 0 }
    }
}

/// What an operator does to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueControl {
    /// Claims nothing until the queue is resumed. Tasks that are claimed go on.
    Pause,
    /// Ends the pause.
    Resume,
    /// Makes dead tasks due again at once, with no attempts.
    Retry(WhichTasks),
    /// Removes tasks that are dead or wait, and keeps a record with the reason.
    Discard {
        /// The tasks.
        which: WhichTasks,
        /// The reason.
        reason: String,
        /// The task that is enqueued with the discard of one that waits. It is not enqueued with the discard of a dead
        /// one, whose sender has learned of its death.
        returns: Option<TaskReturn>,
    },
}

/// A selection of tasks for [`QueueControl`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichTasks {
    /// The task with this id, waiting or dead.
    Id(TaskId),
    /// A page of the dead tasks of the queue, in the order of their ids.
    Dead {
        /// Only those with an id after this one.
        after: Option<TaskId>,
        /// The most tasks to look at, at least 1.
        limit: u32,
    },
}

/// The answer to [`TaskStorage::control`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controlled {
    /// The number of tasks that were changed, or of queues that were paused or resumed.
    pub changed: u64,
    /// The id after which the next page of dead tasks begins. `None` if there is none: fewer tasks than the limit were
    /// left, whether they were changed or not.
    pub next: Option<TaskId>,
}

/// Stores tasks.
///
/// Times and leases are measured by the database's clock, never by the caller's. As with
/// [`StorageEngine`](super::StorageEngine), every future may be dropped at any point. What was claimed by a dropped call
/// can be claimed again after the lease.
#[async_trait]
pub trait TaskStorage: Send + Sync {
    /// Watches a queue. The watch is notified when a commit of this process enqueues to it, and of other processes as far
    /// as the engine learns of them. Called within a tokio runtime, that of the engine.
    fn watch_queue(&self, queue: &QueueName) -> LogWatch;

    /// Claims due tasks for a worker, those of a higher priority first, and among these those that were due first. Each
    /// claim counts as an attempt.
    ///
    /// A task whose last lease has ended without an outcome is claimed alone, and nothing with it: it may have ended its
    /// worker, and must not take others along.
    async fn claim(&self, request: &ClaimRequest) -> Result<TaskClaim>;

    /// Renews leases, to last this long from now. Returns whether each is still held, in the order of the leases. A
    /// lease that has ended can be renewed as long as the task was not claimed again.
    async fn renew(&self, leases: &[TaskLease], lease: Duration) -> Result<Vec<bool>>;

    /// Records that an attempt has failed, and when the next one may be, or that the task is dead. What the failed attempt
    /// [returns](FailedAttempt::returns) is enqueued in the same transaction.
    ///
    /// # Errors
    /// [`Error::TaskLeaseLost`] if the lease is not held any more.
    async fn fail(&self, failed: &FailedAttempt) -> Result<()>;

    /// Gives tasks back as if they had not been claimed. Leases that are not held any more are left alone.
    async fn release(&self, leases: &[TaskLease]) -> Result<()>;

    /// Returns what is in the queues, in the order of their names; or only in the one with this name. A queue in which
    /// nothing is stored is left out.
    async fn queues(&self, name: Option<&QueueName>) -> Result<Vec<StoredQueue>>;

    /// Reads tasks: those that wait or are claimed in the order of their priorities, then of the times at which they are
    /// due, then of their ids; dead and discarded ones in the order of their ids, which is about that of their creation.
    async fn tasks(&self, request: &TasksRequest) -> Result<Vec<StoredTask>>;

    /// Finds a task of any queue by its id: one that waits, is claimed, is dead or was discarded. The answer is as of one
    /// moment, so that a task that is retried meanwhile is found.
    async fn find_task(&self, id: TaskId) -> Result<Option<StoredTask>>;

    /// Does what an operator requests. Of a page of dead tasks that are to be retried, it leaves those dead whose key
    /// another task has by now.
    ///
    /// # Errors
    /// - [`Error::UnknownTask`] if there is no task with the id, or it is claimed.
    /// - [`Error::TaskKeyTaken`] if a task is to be retried whose key another one has by now.
    async fn control(&self, queue: &QueueName, control: &QueueControl) -> Result<Controlled>;
}
