//! Runs commands: loads an aggregate, lets it decide, and commits what was emitted.

mod execute;
mod executed;
mod target;

pub use execute::{Execute, command_name};
pub use executed::{CommittedEvent, Executed};
pub use target::Target;
