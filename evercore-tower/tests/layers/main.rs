//! The effects of the layers on commands, through the public API.

mod bank;
mod checks;
mod contention;
mod queue;
mod service;
mod stacks;
mod timing;
mod trace;
