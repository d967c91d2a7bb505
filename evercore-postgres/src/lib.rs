//! Stores Evercore's events in PostgreSQL: for production, with any number of processes on one database.
//!
//! A commit is one call of a server-side function, and commits that wait at the same time share one transaction. A load
//! is one statement. Readers of the log follow a frontier below which no late commit can appear.
//!
//! ```no_run
//! use evercore::EventStore;
//! use evercore_postgres as _;
//!
//! # async fn open() -> evercore::Result<()> {
//! let store = EventStore::connect("postgres://app@localhost/bank").await?;
//! # Ok(())
//! # }
//! ```

mod begin;
mod command_log;
mod connect;
mod declarations;
mod engine;
mod error;
mod floors;
mod frontier;
mod held;
mod inspection;
mod load;
mod log;
mod merging;
mod notify;
mod opening;
mod options;
mod readers;
mod row;
mod schema;
mod shared;
mod statements;
mod subscriptions;
mod tagged_reads;
mod tagging;
mod tags;
mod tasks;
mod transaction;
mod types;
mod unique;
mod view;
mod writer;

pub use engine::PostgresEngine;
pub use frontier::FrontierHolder;
pub use options::PostgresOptions;
pub use transaction::{PostgresContext, PostgresTransaction};
