//! Stages tasks, which exist if and only if the commit of the context lands.

use super::Context;
use crate::engine::{Capability, Completion, NewTask, TaskChange, require};
use crate::{Error, QueueName, Result, Task, TaskBody, TaskId, TaskKey, TaskOptions, TaskType};

impl Context {
    /// Enqueues a task: work that is done after the commit, by a [worker](crate::EventStore::queue) of this process or
    /// another one. It exists if and only if the commit lands, also if the context does nothing else.
    ///
    /// It carries the metadata of the context, and what its handler writes carries them on.
    ///
    /// Returns the id of the new task. With [`IfKeyExists::Keep`](crate::task::IfKeyExists::Keep), no task has that id if
    /// the commit finds another one with the key.
    ///
    /// # Errors
    /// - [`Error::InvalidTask`] if the key or the queue is invalid.
    /// - [`Error::Unregistered`] if the store does not know the type of the task.
    /// - [`Error::Encode`], [`Error::NotRoundTrip`], [`Error::PayloadTooLarge`] or [`Error::CommitTooLarge`].
    /// - [`Error::TimeOutOfRange`] if no engine can store the time at which it is due.
    /// - Of the commit: [`Error::TaskKeyTaken`] if a task with the same key is there, unless the task says
    ///   [otherwise](Task::if_key_exists).
    ///
    /// # Example
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use evercore::task::Task;
    /// use evercore::{EventStore, task};
    /// # use evercore_memory as _;
    ///
    /// #[task(queue = "mail")]
    /// struct SendReceipt { order: u32, to: String }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> evercore::Result<()> {
    /// # let store = EventStore::connect("memory:").await?;
    /// store
    ///     .with_context(async |ctx| {
    ///         ctx.enqueue(SendReceipt { order: 42, to: "ada@example.com".to_owned() })?;
    ///         let again = SendReceipt { order: 42, to: "books@example.com".to_owned() };
    ///         ctx.enqueue(Task::new(again).after(Duration::from_secs(3600)).key("books of 42"))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn enqueue<T: TaskBody>(&mut self, task: impl Into<Task<T>>) -> Result<TaskId> {
        let Task { body, options } = task.into();
        self.enqueue_with(&body, options)
    }

    /// Enqueues a task with this body and these options.
    pub(crate) fn enqueue_with<T: TaskBody>(
        &mut self,
        body: &T,
        options: TaskOptions,
    ) -> Result<TaskId> {
        let TaskOptions {
            queue,
            key,
            if_key_exists,
            due,
            priority,
            mut metadata,
            rejected_to,
            failed_to,
        } = options;
        if let Some(queue) = rejected_to? {
            metadata = Some(metadata.unwrap_or_default().returning_rejected_to(&queue));
        }
        if let Some(queue) = failed_to? {
            metadata = Some(metadata.unwrap_or_default().returning_failed_to(&queue));
        }
        let queue = match queue? {
            Some(queue) => queue,
            None => QueueName::new(T::QUEUE)?,
        };
        let prepared = self.store.prepare_task(
            const { &TaskType::<T>::TYPE },
            |codec, round_trips| T::ENCODING.encode(body, codec, round_trips),
            due,
            metadata,
            self.metadata.as_deref(),
        )?;
        let id = TaskId::generate();
        let task = NewTask {
            id,
            queue,
            key: key?,
            if_key_exists,
            due,
            priority,
            task_type: T::NAME,
            version: T::VERSION,
            payload: prepared.payload,
            metadata: prepared.metadata,
            metadata_column: prepared.metadata_column,
        };
        self.staging.change_tasks(&self.store.limits, TaskChange::Enqueue(task))?;
        Ok(id)
    }

    /// Cancels the task with this key in the queue of its type, if it is not done yet. If a worker has begun it, what
    /// that worker commits is refused; effects outside of the store may have taken place. Cancelling a task that does
    /// not exist changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidTask`] if the key is invalid, and [`Error::CommitTooLarge`].
    pub fn cancel<T: TaskBody>(
        &mut self,
        key: impl TryInto<TaskKey, Error: Into<Error>>,
    ) -> Result<()> {
        self.cancel_in(QueueName::new(T::QUEUE)?, key)
    }

    /// Cancels the task with this key in a queue, as [`cancel`](Self::cancel) does.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub fn cancel_in(
        &mut self,
        queue: impl TryInto<QueueName, Error: Into<Error>>,
        key: impl TryInto<TaskKey, Error: Into<Error>>,
    ) -> Result<()> {
        let queue = queue.try_into().map_err(Into::into)?;
        let key = key.try_into().map_err(Into::into)?;
        self.staging.change_tasks(&self.store.limits, TaskChange::Cancel { queue, key })
    }

    /// Checks that the engine has declared a capability.
    pub(crate) fn requires(&self, capability: Capability) -> Result<()> {
        require(&*self.store.engine, capability)
    }

    /// Makes the commit complete work that was done in this context.
    pub(crate) fn complete(&mut self, completion: Completion) {
        self.staging.complete(completion);
    }
}
