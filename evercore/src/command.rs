//! Runs commands: loads an aggregate, lets it decide, and commits what was emitted.
//!
//! - [`EventStore::execute`](crate::EventStore::execute) makes an [`Execute`], which returns an [`Executed`] with its
//!   [`CommittedEvent`]s. [`command_name`] names commands in logs and traces.
//! - [`EventStore::execute_on`](crate::EventStore::execute_on) makes an [`ExecuteOn`], which lets boundaries decide and
//!   returns an [`ExecutedOn`].
//! - [`EventStore::dispatch`](crate::EventStore::dispatch) executes a [`Command`], which names its aggregate itself, and
//!   [`EventStore::send`](crate::EventStore::send) has a worker do it later. A [`CommandId`] leads to its [`Outcome`],
//!   which [`LoggedCommands`] keep.
//! - [`EventStore::once`](crate::EventStore::once) returns a [`Once`], the answer to a request that is repeated with
//!   the same idempotency key.
//! - [`Emitted`] is an event that a decision has emitted and that is not stored, for tests of the domain.
//! - [`EventOf`] is what a decision may emit and a context apply: an event of the aggregate. [`Rerun`] is a closure that
//!   runs again after a conflict.
//! - [`Turns`] lets callers that change the same aggregate go one after another.

pub(crate) mod deciding;
mod execute;
mod execute_on;
mod executed;
mod executed_on;
mod log;
mod named;
mod outcome;
mod pruning;
mod registered;
mod sending;
pub(crate) mod target;

pub use crate::context::rerun::Rerun;
pub use crate::decide::Emitted;
pub use crate::event::EventOf;
pub use crate::id::CommandId;
pub use crate::store::Once;
pub use crate::turns::{Place, Turn, Turns};
pub use execute::{Execute, command_name};
pub use execute_on::ExecuteOn;
pub use executed::{CommittedEvent, Executed};
pub use executed_on::ExecutedOn;
pub use log::{CommandLog, CommandQuery, LoggedCommand, LoggedCommands};
pub use named::Command;
pub use outcome::Outcome;
pub use registered::CommandType;
