//! The history checker accepts sound histories, and finds each change that makes one unsound.

mod boundaries;
mod commits;
mod deliveries;
mod domain;
mod lines;
mod orders;
mod states;
