//! Given, when, then: what passes, and what a failure says.

mod failures;
mod handlers;
mod library;
mod steps;
