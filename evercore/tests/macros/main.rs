//! The output of the macros, as seen by programs that use it.

mod double_options;
mod hygiene;
mod merging;
mod registration;
mod serialization;
mod shapes;
mod snapshots;
mod store;
