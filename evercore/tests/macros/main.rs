//! What the macros write, as the programs that use it see it.

mod double_options;
mod merging;
mod registration;
mod serialization;
mod shapes;
mod snapshots;
mod store;
