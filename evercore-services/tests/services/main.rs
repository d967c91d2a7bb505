//! Services that fail, hang, panic and end, and what the program does about it.

mod endings;
mod kinds;
mod members;
mod order;
mod refusals;
mod restarts;
#[cfg(unix)]
mod signals;
mod stages;
mod stopping;
mod ways;
