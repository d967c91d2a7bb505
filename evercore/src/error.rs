//! The parts of an [`Error`](crate::Error).
//!
//! - [`ConflictReason`] says which change of another writer a commit conflicts with.
//! - [`EventPlace`] and [`UndecodableEvent`] identify a stored event that cannot be read.
//! - [`FromError`] is what the error of a closure has to be: a type that an [`Error`](crate::Error) converts to.
//! - [`OpenProblem`] and [`RuntimeProblem`] say why a database cannot be opened.

/// Returns the address of a page of the guides, for messages: a program that shows one has only the crate.
macro_rules! guide {
    ($page:literal) => {
        concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/", $page)
    };
}

mod conflict_reason;
mod event_place;
mod from_error;
pub(crate) mod kind;
mod open_problem;
pub(crate) mod variants;

pub use conflict_reason::ConflictReason;
pub use event_place::{EventPlace, UndecodableEvent};
pub use from_error::FromError;
pub use open_problem::{OpenProblem, RuntimeProblem};
pub(crate) use variants::{unknown_id, unknown_key, unknown_value};
