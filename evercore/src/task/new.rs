//! Defines a task that is to be enqueued, with its options.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{QueueName, TaskBody, TaskKey};
use crate::engine::Due;
use crate::{Error, Metadata, Result};

/// A task to enqueue, with its options. A body alone converts to a task without any.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use evercore::task;
/// use evercore::task::Task;
///
/// #[task(queue = "reminders")]
/// struct RemindToPay { order: u32 }
///
/// let in_a_day = Duration::from_secs(24 * 60 * 60);
/// let task = Task::new(RemindToPay { order: 42 }).after(in_a_day).key("order 42");
/// ```
#[derive(Debug)]
#[must_use = "a task does nothing until it is enqueued"]
pub struct Task<T> {
    pub(crate) body: T,
    pub(crate) options: TaskOptions,
}

/// The options of a task.
#[derive(Debug)]
pub(crate) struct TaskOptions {
    pub(crate) queue: Result<Option<QueueName>>,
    pub(crate) key: Result<Option<TaskKey>>,
    pub(crate) if_key_exists: IfKeyExists,
    pub(crate) due: Due,
    pub(crate) priority: Priority,
    pub(crate) metadata: Option<Metadata>,
    /// The queue to which a command comes back if it is rejected.
    pub(crate) rejected_to: Result<Option<QueueName>>,
    /// The queue to which a command comes back if it fails for good.
    pub(crate) failed_to: Result<Option<QueueName>>,
}

/// The reaction to a task with the same key that is in the queue already, waiting or claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfKeyExists {
    /// Refuses the commit with [`Error::TaskKeyTaken`].
    #[default]
    Fail,
    /// Keeps the task that is there, and enqueues nothing.
    Keep,
    /// Puts the new task in the place of the one that is there. A worker that has claimed that one loses its lease.
    Replace,
}

/// The priority of a task. Of the due tasks of a queue, those of a higher priority are claimed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl Priority {
    /// All of them, in the order in which they are claimed.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Returns the number that is stored for it.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }

    /// Returns the priority that is stored as this number.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is none.
    pub fn from_number(number: i64) -> Result<Self> {
        let stored = Self::ALL.into_iter().find(|priority| i64::from(priority.number()) == number);
        stored.ok_or_else(|| Error::corrupt("priority of a task", number.to_string()))
    }
}

impl TaskOptions {
    pub(crate) const fn new() -> Self {
        Self {
            queue: Ok(None),
            key: Ok(None),
            if_key_exists: IfKeyExists::Fail,
            due: Due::After(Duration::ZERO),
            priority: Priority::Normal,
            metadata: None,
            rejected_to: Ok(None),
            failed_to: Ok(None),
        }
    }
}

impl<T: TaskBody> Task<T> {
    /// Makes a task that is due at once.
    pub const fn new(body: T) -> Self {
        Self { body, options: TaskOptions::new() }
    }

    /// Schedules the task: no worker claims it before this much time has passed since the commit, by the clock of the
    /// database.
    pub const fn after(mut self, wait: Duration) -> Self {
        self.options.due = Due::After(wait);
        self
    }

    /// Schedules the task: no worker claims it before this time, by the clock of the database. A time that has passed
    /// means at once.
    pub const fn at(mut self, time: DateTime<Utc>) -> Self {
        self.options.due = Due::At(time);
        self
    }

    /// Gives the task a key, under which it can be replaced and cancelled. An invalid one is reported when the task is
    /// enqueued.
    pub fn key(mut self, key: impl TryInto<TaskKey, Error: Into<Error>>) -> Self {
        self.options.key = key.try_into().map(Some).map_err(Into::into);
        self
    }

    /// Sets what happens if a task with the same key is in the queue already. Default: [`IfKeyExists::Fail`].
    pub const fn if_key_exists(mut self, reaction: IfKeyExists) -> Self {
        self.options.if_key_exists = reaction;
        self
    }

    /// Puts this task in the place of the one with the same key, if there is one: for a timer that is set again.
    pub const fn replace(self) -> Self {
        self.if_key_exists(IfKeyExists::Replace)
    }

    /// Sets the priority.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.options.priority = priority;
        self
    }

    /// Sends the task to another queue than that of its type.
    pub fn to(mut self, queue: impl TryInto<QueueName, Error: Into<Error>>) -> Self {
        self.options.queue = queue.try_into().map(Some).map_err(Into::into);
        self
    }

    /// Returns the body, for tests of code that makes tasks.
    pub fn into_body(self) -> T {
        self.body
    }

    /// Sets metadata. They take precedence over those of the context, which fill in the rest.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.options.metadata = Some(metadata);
        self
    }
}

impl<T: TaskBody> From<T> for Task<T> {
    fn from(body: T) -> Self {
        Self::new(body)
    }
}
