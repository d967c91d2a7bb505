//! Processes on every engine: each event has its effects once, whatever is killed or reset.

mod crashes;
mod domain;
mod engines;
mod failures;
mod reactors;
mod running;
mod steps;
