//! The conformance suite that every storage engine of Evercore runs.

mod assert;
mod case;
mod cases;
mod conformance;
mod domain;
mod fixture;
mod harness;
mod poll;
mod race;
mod raw;

pub use case::{Case, Failure};
pub use cases::cases;
#[doc(hidden)]
pub use conformance::__run;
pub use harness::{Durability, Harness};
