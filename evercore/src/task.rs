//! Tasks: work that is done later, elsewhere, or again.
//!
//! A task exists if and only if the commit that [enqueues](crate::Context::enqueue) it lands. A
//! [worker](crate::EventStore::queue) claims it under a lease, gives it to the handler for its type, and completes it.
//! What the handler writes in its context and the completion of the task are one commit. A handler that fails is given
//! the task again, with growing waits; in the end the task is dead, and can be looked at, retried or discarded through
//! [`Queues`].
//!
//! Times are those of the database, so a task never starts before its time, however wrong the clock of a worker is.

mod admin;
mod attempt;
pub(crate) mod body;
pub(crate) mod claimed;
mod config;
pub(crate) mod handlers;
pub(crate) mod id;
mod leases;
mod new;
mod queue;
mod reply;
mod service;
pub(crate) mod slots;
mod worker;

pub use admin::{QueueStatus, Queues, TaskInfo, TaskState};
pub use body::{TaskBodies, TaskBody};
pub use claimed::{Claimed, TaskError};
pub use handlers::{Handlers, Work};
pub use id::{QueueName, TaskId, TaskKey};
pub(crate) use new::TaskOptions;
pub use new::{IfKeyExists, Priority, Task};
pub use queue::{QueueBuilder, QueueHandle, Worked};
pub use service::QueueService;
