//! The aggregates and events that a store knows.
//!
//! - [`RegistryBuilder`] makes a [`Registry`](crate::Registry) of exactly the types that are added to it.
//! - [`AggregateType`], [`EventType`] and [`RetiredType`] describe the types in it.

mod entry;
pub(crate) mod lookup;
mod naming;
pub(crate) mod register;
pub(crate) mod replay;
mod tagging;
mod types;

pub(crate) use entry::{AggregateEntry, KnownEvent, name_problem};
pub use lookup::RegistryBuilder;
pub(crate) use tagging::NamedTags;
pub use types::{AggregateType, EventType, RetiredType};
