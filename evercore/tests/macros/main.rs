//! The output of the macros, as seen by programs that use it.

mod double_options;
mod field_types;
mod hygiene;
mod merging;
mod registration;
mod serialization;
mod shapes;
mod snapshots;
mod store;
