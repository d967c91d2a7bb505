//! Stores Evercore's events in SQLite.
//!
//! The event log is one file, or in memory, without a server. Name the crate once, and
//! [`EventStore::connect`](evercore::EventStore::connect) accepts `sqlite:` URLs:
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
//! - The file is in WAL mode with `synchronous = FULL`: an acknowledged commit is on the disk, and readers do not wait
//!   for the writer.
//! - One thread owns the only connection that writes. Commits that wait at the same time share a transaction, and so
//!   its `fsync`; each is checked by itself, so that a conflict in one does not affect the others.
//! - Reads run on a few threads of their own and return whole results: no task waits for the disk, and no read waits
//!   for a task.
//! - Readers map the first GiB of the file into memory. A disk that fails during such a read ends the process
//!   (`SIGBUS`), where it would otherwise cause an error. Acknowledged commits are on the disk in this case, too.
//! - Opening a store deletes the statistics that `ANALYZE` or `PRAGMA optimize` has collected about its tables: a log
//!   that was analysed when it had one event would be read whole for each page.
//! - Several processes may use one file. They wait for each other up to
//!   [`busy_timeout`](SqliteOptions::busy_timeout), then get [`Error::Busy`](evercore::Error::Busy).
//! - Your own tables may live in the same file, and [`with_transaction`](SqliteContext) commits their rows together
//!   with events. [`read_pool`](SqliteEngine::read_pool) queries them without waiting for the writer. The view `event_log` shows the log to people.
//!
//! # When something gets in the way
//! | what happens | what you get | what is in the file, and what to do |
//! |---|---|---|
//! | The process is killed. | | Every acknowledged commit; every other commit is there as a whole or not at all. The next process that opens the file recovers it. |
//! | The power fails. | | The same with [`Synchronous::Full`]. With [`Synchronous::Normal`] the last commits may be lost, each as a whole. This relies on a disk that keeps what it reports as synced. |
//! | The disk is full. | [`Error::DiskFull`]; from your own statements, sqlx's error with code 13 | Nothing of a refused commit. Reads continue, and subscriptions wait. Free some space, and retry. |
//! | A read, a write or a sync fails. | [`Error::Unavailable`]; if it is the commit itself, [`Error::OutcomeUnknown`] | All of the commit or nothing; [`find_commit`](evercore::EventStore::find_commit) tells which, and its answer is final. Subscriptions retry, with a warning each time. |
//! | Other processes or transactions write for longer than [`busy_timeout`](SqliteOptions::busy_timeout). | [`Error::Busy`] | Nothing of a refused commit. Retry. |
//! | The file, its folder or the file system is read-only. | [`Error::CannotOpen`] with [`ReadOnly`] | The file is unchanged. |
//! | The file, or the `-wal` or `-shm` beside it, is moved, deleted or replaced while it is open (on Unix). | [`Error::CannotOpen`] with [`Moved`], for every write | No commit is acknowledged that would go to a file without a name. Once the file is back, the store continues. |
//! | Its content is overwritten in place while it is open, for example by `cp`. | | SQLite does not notice, and mixes both contents. Close all stores before you restore a backup, and delete `-wal` and `-shm` with the old file. |
//! | The `-wal` of another database lies beside it. | | SQLite cannot tell it from its own and writes it into the file. Move and copy a database only when it is closed, or together with its `-wal`. |
//! | The `-wal` is cut short or damaged. | | Every commit before the first damaged byte, and none behind it. |
//! | The header is damaged. | [`Error::CannotOpen`] with [`NotADatabase`] | The file is unchanged. Restore a backup. |
//! | A page is damaged. | [`Error::Corrupt`], with the name of the file | The other pages can be read. Restore a backup. SQLite has no checksums: it does not notice a byte that changes inside a value. |
//!
//! [`Error::DiskFull`]: evercore::Error::DiskFull
//! [`Error::Unavailable`]: evercore::Error::Unavailable
//! [`Error::OutcomeUnknown`]: evercore::Error::OutcomeUnknown
//! [`Error::Busy`]: evercore::Error::Busy
//! [`Error::CannotOpen`]: evercore::Error::CannotOpen
//! [`Error::Corrupt`]: evercore::Error::Corrupt
//! [`ReadOnly`]: evercore::error::OpenProblem::ReadOnly
//! [`Moved`]: evercore::error::OpenProblem::Moved
//! [`NotADatabase`]: evercore::error::OpenProblem::NotADatabase
//!
//! While a process has the file open, do not open it there by other means than SQLite, not even to read it: on POSIX
//! systems, closing it again ends all locks of the process on it, and other processes may remove the `-wal`
//! (<https://sqlite.org/howtocorrupt.html>, 2.2).
//!
//! # Faster syncs
//! The bundled SQLite is built without `fdatasync`, so that each commit also writes the times of the file to the disk. Where
//! the system has it (Linux does), build with `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1`, in the `[env]` table of your program's
//! `.cargo/config.toml`. A library cannot set this for you.

mod block_on;
mod blocking;
mod command_log;
mod connect;
mod database;
mod declarations;
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
mod read_pool;
mod read_transaction;
mod readers;
mod row;
mod schema;
mod statistics;
mod subscriptions;
mod sync;
mod tagging;
mod tags;
mod tasks;
mod transaction;
mod types;
mod unique;
mod url;
mod user_transaction;
mod view;
mod writer;

pub use engine::SqliteEngine;
pub use options::{MissingFile, SqliteOptions, Synchronous};
pub use transaction::{SqliteContext, SqliteTransaction};

/// Functions for the fuzzer.
#[doc(hidden)]
pub mod __fuzzing {
    /// Parses a URL without opening a database.
    ///
    /// # Errors
    /// Those of [`SqliteEngine::connect`](crate::SqliteEngine::connect) for a URL that makes no sense.
    pub fn read_url(url: &str) -> evercore::Result<()> {
        crate::url::parse(url).map(drop)
    }
}
