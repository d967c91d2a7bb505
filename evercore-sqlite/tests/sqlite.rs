//! Behavior specific to SQLite: files, processes, pragmas and plans. The conformance suite tests the common promises.

#[path = "sqlite/account.rs"]
mod account;
#[path = "sqlite/backup.rs"]
mod backup;
#[path = "sqlite/bank.rs"]
mod bank;
#[path = "sqlite/corruption.rs"]
mod corruption;
#[path = "sqlite/dropping.rs"]
mod dropping;
#[path = "sqlite/files.rs"]
mod files;
#[path = "sqlite/following.rs"]
mod following;
#[path = "sqlite/grouping.rs"]
mod grouping;
#[path = "sqlite/opening.rs"]
mod opening;
#[path = "sqlite/projections.rs"]
mod projections;
#[path = "sqlite/raw.rs"]
mod raw;
#[path = "sqlite/read_pool.rs"]
mod read_pool;
#[path = "sqlite/reading.rs"]
mod reading;
#[path = "sqlite/runtimes.rs"]
mod runtimes;
#[path = "sqlite/tags.rs"]
mod tags;
#[path = "sqlite/transaction_rules.rs"]
mod transaction_rules;
#[path = "sqlite/transactions.rs"]
mod transactions;
#[path = "sqlite/urls.rs"]
mod urls;
