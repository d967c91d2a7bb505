//! Defines what a handler of tasks is given, and how it fails.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{QueueName, TaskBody, TaskId, TaskKey};
use crate::engine::{StoredTask, TaskLease};
use crate::report::debug_error;
use crate::{BoxError, Metadata, Report};

/// A task that a worker has claimed, as its handler is given it. Derefs to the body.
#[derive(Clone, Debug)]
pub struct Claimed<T> {
    body: T,
    about: Arc<About>,
}

/// A claimed task without its body.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) lease: TaskLease,
    pub(super) key: Option<TaskKey>,
    pub(crate) task_type: Box<str>,
    pub(super) attempt: u32,
    pub(crate) enqueued_at: DateTime<Utc>,
    pub(crate) metadata: Metadata,
}

impl About {
    pub(super) fn new(task: &StoredTask, token: i64) -> Self {
        Self {
            lease: TaskLease { queue: task.queue.clone(), id: task.id, token },
            key: task.key.clone(),
            task_type: task.task_type.clone(),
            attempt: task.attempts,
            enqueued_at: task.enqueued_at,
            metadata: task.metadata.clone(),
        }
    }

    /// Returns the metadata of what the handler writes: the task is its cause.
    pub(crate) fn as_cause(&self) -> Metadata {
        let id = self.lease.id.to_string();
        let own = &self.metadata;
        let correlation = own.correlation_id().unwrap_or(&id).to_owned();
        Metadata::new().correlation(correlation).causation(id).within(own.clone().without_reply())
    }
}

impl<T> Claimed<T> {
    pub(super) const fn new(body: T, about: Arc<About>) -> Self {
        Self { body, about }
    }

    /// Returns the task's id. It stays the same over all attempts: pass it on as the idempotency key of a request to
    /// another service, which then takes effect once.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.about.lease.id
    }

    /// Returns the queue that the task was claimed from.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.about.lease.queue
    }

    /// Returns the task's key.
    #[must_use]
    pub fn key(&self) -> Option<&TaskKey> {
        self.about.key.as_ref()
    }

    /// Returns the number of this attempt, from 1. An attempt that has ended without an outcome, since its process was
    /// gone, counts as well.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.about.attempt
    }

    /// Returns the time at which the task was enqueued, by the clock of the database.
    #[must_use]
    pub fn enqueued_at(&self) -> DateTime<Utc> {
        self.about.enqueued_at
    }

    /// Returns the metadata with which the task was enqueued.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.about.metadata
    }

    /// Returns the reason for which the task, which is a command, was rejected: it has come
    /// [back](super::Task::return_rejected_to) to the queue of its sender. `None` for every other task.
    #[must_use]
    pub fn rejection(&self) -> Option<&str> {
        self.about.metadata.rejection()
    }

    /// Returns the body.
    #[must_use]
    pub fn into_body(self) -> T {
        self.body
    }
}

/// For tests of handlers.
impl<T: TaskBody> From<T> for Claimed<T> {
    /// Makes a task as a worker would give it in its first attempt.
    ///
    /// # Panics
    /// If [`TaskBody::QUEUE`] is not a valid name.
    fn from(body: T) -> Self {
        let queue = QueueName::new(T::QUEUE).expect("the queue of a task has a valid name");
        let about = About {
            lease: TaskLease { queue, id: TaskId::generate(), token: 0 },
            key: None,
            task_type: T::NAME.into(),
            attempt: 1,
            enqueued_at: Utc::now(),
            metadata: Metadata::new(),
        };
        Self::new(body, Arc::new(about))
    }
}

impl<T> Deref for Claimed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

/// The reason why a handler has not done a task. Any error converts to it with `?`: the task is given again, as the
/// queue's [retries](super::QueueBuilder::retry) say.
///
/// [`permanent`](Self::permanent) makes a failure that another attempt would not mend.
pub struct TaskError {
    is_permanent: bool,
    source: BoxError,
}

impl TaskError {
    /// Makes a failure of an error that `?` does not convert, such as an `anyhow::Error`, a boxed one or a text.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self { is_permanent: false, source: source.into() }
    }

    /// Makes a failure that another attempt does not mend: the task is dead at once.
    pub fn permanent(source: impl Into<BoxError>) -> Self {
        Self { is_permanent: true, source: source.into() }
    }

    /// Returns whether the task is dead at once.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.is_permanent
    }

    /// Returns the error that the handler has failed with.
    #[must_use]
    pub fn into_source(self) -> BoxError {
        self.source
    }

    pub(super) fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }

    pub(super) fn report(&self) -> Report<'_> {
        Report::new(&*self.source)
    }
}

/// Lets `?` convert any error.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_error(&*self.source, f, |f| {
            f.debug_struct("TaskError")
                .field("is_permanent", &self.is_permanent)
                .field("source", &self.source)
                .finish()
        })
    }
}
