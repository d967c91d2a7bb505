//! What the macros write, as the programs that use it see it.

mod double_options;
mod hygiene;
mod merging;
mod registration;
mod serialization;
mod shapes;
mod snapshots;
mod store;
