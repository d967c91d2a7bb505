//! What is SQLite's own: files, processes, pragmas and plans. What every engine keeps is in the conformance suite.

#[path = "sqlite/account.rs"]
mod account;
#[path = "sqlite/files.rs"]
mod files;
#[path = "sqlite/opening.rs"]
mod opening;
#[path = "sqlite/raw.rs"]
mod raw;
#[path = "sqlite/urls.rs"]
mod urls;
