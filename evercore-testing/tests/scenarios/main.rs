//! Given, when, then: scenarios that pass, and the messages of those that fail.

mod contexts;
mod decisions;
mod facts;
mod failures;
mod handlers;
mod library;
mod processes;
mod steps;
