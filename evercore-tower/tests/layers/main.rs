//! What the layers do to commands, through the public interface.

mod bank;
mod checks;
mod contention;
mod queue;
mod service;
mod stacks;
mod timing;
mod trace;
