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
//! - What `ANALYZE` or `PRAGMA optimize` has found out about the store's tables is forgotten when it is opened: a log that
//!   was analysed when it had one event would be read whole for each page.
//! - Several processes may use one file. They wait for each other up to
//!   [`busy_timeout`](SqliteOptions::busy_timeout), then get [`Error::Busy`](evercore::Error::Busy).
//! - Your own tables may live in the same file, and [`with_transaction`](SqliteContext) lands their
//!   rows together with events. The view `event_log` shows the log to people.
//!
//! # When something gets in the way
//! | what happens | what you get | what is in the file, and what to do |
//! |---|---|---|
//! | The process is killed. | | Every acknowledged commit; of the others, all or nothing. Whoever opens it next recovers it. |
//! | The power fails. | | The same with [`Synchronous::Full`]. With [`Synchronous::Normal`] the last commits may be lost, whole. This counts on a disk that keeps what it says it has synced. |
//! | The disk is full. | [`Error::DiskFull`]; from your own statements, sqlx's error with code 13 | Nothing of what was refused. Reads go on, and subscriptions wait. Make room, and retry. |
//! | A read, a write or a sync fails. | [`Error::Unavailable`]; if it is the commit itself, [`Error::OutcomeUnknown`] | All of the commit or nothing; [`find_commit`](evercore::EventStore::find_commit) says which, for good. Subscriptions try again, with a warning each time. |
//! | Others write for longer than [`busy_timeout`](SqliteOptions::busy_timeout). | [`Error::Busy`] | Nothing of what was refused. Retry. |
//! | The file, its folder or the file system is read-only. | [`Error::CannotOpen`] with [`ReadOnly`] | It stays as it is. |
//! | The file, or the `-wal` or `-shm` beside it, is moved, deleted or replaced while it is open (on Unix). | [`Error::CannotOpen`] with [`Moved`], for every write | Nothing is acknowledged that would go to a file without a name. Once the file is back, the store goes on. |
//! | Its content is overwritten in place while it is open, by `cp` say. | | SQLite does not notice and mixes both. Close all stores before a backup is restored, and delete `-wal` and `-shm` with the old file. |
//! | The `-wal` of another database lies beside it. | | SQLite cannot tell it from its own and writes it into the file. Move and copy a database only when it is closed, or together with its `-wal`. |
//! | The `-wal` is cut short or damaged. | | Every commit before the first damaged byte, and none behind it. |
//! | The header is damaged. | [`Error::CannotOpen`] with [`NotADatabase`] | It stays as it is. Restore a backup. |
//! | A page is damaged. | [`Error::Corrupt`], with the name of the file | The other pages can be read. Restore a backup. SQLite has no checksums: a byte that changes inside of a value is not noticed by it. |
//!
//! [`Error::DiskFull`]: evercore::Error::DiskFull
//! [`Error::Unavailable`]: evercore::Error::Unavailable
//! [`Error::OutcomeUnknown`]: evercore::Error::OutcomeUnknown
//! [`Error::Busy`]: evercore::Error::Busy
//! [`Error::CannotOpen`]: evercore::Error::CannotOpen
//! [`Error::Corrupt`]: evercore::Error::Corrupt
//! [`ReadOnly`]: evercore::OpenProblem::ReadOnly
//! [`Moved`]: evercore::OpenProblem::Moved
//! [`NotADatabase`]: evercore::OpenProblem::NotADatabase
//!
//! Do not open the file by other means than SQLite in a process that has it open, not even to read it: on POSIX systems,
//! closing it again ends all locks of the process on it, and others may take the `-wal` away
//! (<https://sqlite.org/howtocorrupt.html>, 2.2).
//!
//! # Faster syncs
//! The bundled SQLite is built without `fdatasync`, so that each commit also writes the times of the file to the disk. Where
//! the system has it (Linux does), build with `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1`, in the `[env]` table of your program's
//! `.cargo/config.toml`. A library cannot set this for you.

mod block_on;
mod blocking;
mod connect;
mod database;
mod engine;
mod error;
mod handle;
mod idempotency;
mod identity;
mod inspection;
mod load;
mod locks;
mod log;
mod nesting;
mod options;
mod pool;
mod preflight;
mod read_transaction;
mod readers;
mod row;
mod schema;
mod statistics;
mod subscriptions;
mod sync;
mod transaction;
mod types;
mod url;
mod user_transaction;
mod view;
mod writer;

pub use engine::SqliteEngine;
pub use options::{MissingFile, SqliteOptions, Synchronous};
pub use transaction::{SqliteContext, SqliteTransaction};

/// What a fuzzer calls.
#[doc(hidden)]
pub mod __fuzzing {
    /// Reads a URL, and opens nothing.
    ///
    /// # Errors
    /// As [`SqliteEngine::connect`](crate::SqliteEngine::connect).
    pub fn read_url(url: &str) -> evercore::Result<()> {
        crate::url::parse(url).map(drop)
    }
}
