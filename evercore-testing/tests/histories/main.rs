//! The history checker finds what is wrong: sound histories, and what is found once one thing in them is not.

mod commits;
mod deliveries;
mod domain;
mod lines;
mod orders;
mod states;
