#![doc = include_str!("../README.md")]

mod builder;
mod process;
mod reactions;
mod reactor;
mod rehearsal;
mod returned;
mod step;
mod worker;

pub use builder::{ProcessBuilder, ProcessHandle, ProcessService, Processes};
pub use process::{Process, ProcessKey};
pub use reactions::Reactions;
pub use reactor::{Reacting, Reaction, Reactor};
pub use rehearsal::{Noted, Rehearsal};
pub use step::Step;
pub use worker::{EndedProcess, Steps};
