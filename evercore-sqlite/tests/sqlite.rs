//! What is SQLite's own: files, processes, pragmas and plans. What every engine keeps is in the conformance suite.

#[path = "sqlite/account.rs"]
mod account;
#[path = "sqlite/dropping.rs"]
mod dropping;
#[path = "sqlite/files.rs"]
mod files;
#[path = "sqlite/grouping.rs"]
mod grouping;
#[path = "sqlite/opening.rs"]
mod opening;
#[path = "sqlite/raw.rs"]
mod raw;
#[path = "sqlite/reading.rs"]
mod reading;
#[path = "sqlite/urls.rs"]
mod urls;
