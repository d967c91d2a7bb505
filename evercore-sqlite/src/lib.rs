//! Evercore on SQLite.
//!
//! An event log in one file, or in memory, without a server. Name the crate once, and
//! [`EventStore::connect`](evercore::EventStore::connect) answers to `sqlite:` URLs:
//!
//! ```
//! use evercore::EventStore;
//! use evercore_sqlite as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> evercore::Result<()> {
//! let store = EventStore::connect("sqlite::memory:").await?;
//! # store.close().await
//! # }
//! ```
//!
//! Or open a [`SqliteEngine`] with [`SqliteOptions`] and hand it to
//! [`EventStore::builder`](evercore::EventStore::builder).
//!
//! # How it works
//! - The file is in WAL mode with `synchronous = FULL`: what was acknowledged is on the disk, and readers do not wait
//!   for the writer.
//! - One thread owns the one connection that writes. Commits that wait at the same time share a transaction, and so its
//!   `fsync`; each is judged by itself, so that a conflict in one leaves its neighbours alone.
//! - Reads run on a few threads of their own, and take plain rows: no task waits for the disk, and no row for a task.
//! - Readers map the first GiB of the file into memory. A disk that fails under such a read ends the process (`SIGBUS`)
//!   where it would otherwise be an error; what was acknowledged is on the disk, as ever.
//! - Several processes may use one file. They wait for each other up to
//!   [`busy_timeout`](SqliteOptions::busy_timeout), then get [`Error::Busy`](evercore::Error::Busy).
//! - Your own tables may live in the same file, and [`with_transaction`](SqliteStoreExt::with_transaction) lands their
//!   rows together with events. The view `event_log` shows the log to people.

mod blocking;
mod connect;
mod database;
mod engine;
mod error;
mod first;
mod handle;
mod held;
mod load;
mod log;
mod moment;
mod nesting;
mod options;
mod page;
mod pool;
mod preflight;
mod readers;
mod schema;
mod subscriptions;
mod sync;
mod transaction;
mod transactional;
mod turns;
mod types;
mod url;
mod view;
mod waiting;
mod writer;

pub use engine::SqliteEngine;
pub use options::{MissingFile, SqliteOptions, Synchronous};
pub use transaction::{SqliteContext, SqliteStoreExt, SqliteTransaction};
pub use transactional::SqliteSubscriptionExt;
