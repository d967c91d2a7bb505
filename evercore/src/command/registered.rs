//! Registers the commands that workers can do.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::named::Command;
use super::{deciding, pruning};
use crate::EventStore;
use crate::task::Handlers;
use crate::task::handlers::{Delivery, Handled};

/// A command that the workers of a program can do: [`Handlers::commands`](crate::task::Handlers::commands).
#[derive(Clone, Copy)]
pub struct CommandType {
    name: &'static str,
    type_id: TypeId,
    handle: fn(EventStore, Delivery) -> BoxFuture<'static, Handled>,
}

inventory::collect!(CommandType);

impl CommandType {
    /// Describes a command.
    #[must_use]
    pub const fn of<C: Command>() -> Self {
        Self { name: C::NAME, type_id: TypeId::of::<C>(), handle: handle::<C> }
    }
}

impl Handlers {
    /// Adds all commands that are linked into the program: those declared with `#[command]`. The crate of a command is
    /// linked only if the program names it.
    ///
    /// A worker loads the aggregate of a command and lets it [decide](crate::Decide). One commit holds the events, the
    /// completion of the task, and the [outcome](EventStore::outcome). A rejection is an outcome, too, and not a failure:
    /// so is a target that does not exist, or a key that another aggregate has. What else fails is tried again, as
    /// [`retry`](crate::task::QueueBuilder::retry) says.
    ///
    /// Now and then, the worker removes outcomes from the [log](super::CommandLog) that are too old.
    pub fn commands(self) -> Self {
        inventory::iter::<CommandType>().fold(self, |handlers, command| handlers.with(*command))
    }

    /// Adds one type of commands, as [`commands`](Self::commands) does with all.
    pub fn command<C: Command>(self) -> Self {
        self.with(CommandType::of::<C>())
    }

    fn with(mut self, command: CommandType) -> Self {
        self.insert(command.type_id, Arc::new(command.handle));
        self.keep_up(pruning::keep_up);
        self
    }
}

fn handle<C: Command>(store: EventStore, delivery: Delivery) -> BoxFuture<'static, Handled> {
    Box::pin(deciding::handle::<C>(store, delivery))
}

impl fmt::Debug for CommandType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandType").field("name", &self.name).finish_non_exhaustive()
    }
}
