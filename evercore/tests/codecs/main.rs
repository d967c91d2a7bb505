//! Events in all codecs: `cargo test -p evercore --all-features --test codecs`.

mod choosing;
mod compressing;
mod data_model;
mod erased;
mod merging;
mod messages;
mod misfits;
mod round_trips;
mod store;
mod upcasting;
