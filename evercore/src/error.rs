//! The parts of an [`Error`](crate::Error).
//!
//! - [`ConflictReason`] says which change of another writer a commit conflicts with.
//! - [`EventPlace`] and [`UndecodableEvent`] identify a stored event that cannot be read.
//! - [`OpenProblem`] and [`RuntimeProblem`] say why a database cannot be opened.

mod conflict_reason;
mod event_place;
pub(crate) mod kind;
mod open_problem;
pub(crate) mod variants;

pub use conflict_reason::ConflictReason;
pub use event_place::{EventPlace, UndecodableEvent};
pub use open_problem::{OpenProblem, RuntimeProblem};
pub(crate) use variants::{unknown_id, unknown_key};
