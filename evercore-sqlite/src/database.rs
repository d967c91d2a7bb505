//! One database: how its connections are opened.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evercore::engine::LogSignal;
use evercore::{Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::error::{Class, Failure};
use crate::options::{MissingFile, SqliteOptions, Synchronous};
use crate::preflight;
use crate::turns::Turns;
use crate::url::Location;
use crate::writer::MOST_ROWS;

/// A long transaction lets the write-ahead log grow; afterwards it is cut back to this.
const WAL_BYTES_KEPT: &str = "67108864";
/// Page caches, as SQLite wants them: negative for KiB.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-8192";
/// All inserts of events, and the few other statements.
const CACHED_STATEMENTS: usize = MOST_ROWS + 32;

/// One database and how to open it.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    location: Location,
    options: SqliteOptions,
    base: SqliteConnectOptions,
    turns: Turns,
    /// Given after each commit of this engine.
    grown: LogSignal,
}

impl Database {
    pub(crate) fn new(location: Location, options: SqliteOptions) -> Self {
        let base = SqliteConnectOptions::new()
            .busy_timeout(options.get_busy_timeout())
            .statement_cache_capacity(CACHED_STATEMENTS)
            .disable_statement_logging()
            .pragma("temp_store", "MEMORY");
        let patience = options.get_busy_timeout();
        let (name, base, turns) = match &location {
            Location::File(path) => {
                // SQLite would read `file:…` as a URI.
                let plain = if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
                    &Path::new(".").join(path)
                } else {
                    path
                };
                let turns = Turns::beside_readers(patience);
                (path.display().to_string(), base.filename(plain), turns)
            }
            Location::Memory => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                let unique = format!("/evercore-{}", COUNT.fetch_add(1, Ordering::Relaxed));
                let base = base.filename(unique).vfs("memdb");
                (":memory:".to_owned(), base, Turns::instead_of_readers(patience))
            }
        };
        Self { name, location, options, base, turns, grown: LogSignal::new() }
    }

    /// The file, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn options(&self) -> &SqliteOptions {
        &self.options
    }

    pub(crate) const fn is_in_memory(&self) -> bool {
        matches!(self.location, Location::Memory)
    }

    pub(crate) const fn grown(&self) -> &LogSignal {
        &self.grown
    }

    pub(crate) const fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Opens the first connection: creates a missing file, and finds out what is wrong with one that cannot be used.
    pub(crate) async fn create(&self) -> Result<SqliteConnection> {
        if let Location::File(path) = &self.location {
            preflight::check(path.clone(), &self.name, self.options.get_missing_file()).await?;
        }
        let create = self.options.get_missing_file() == MissingFile::Create;
        let mut connection = self.open(self.writing().create_if_missing(create)).await?;
        if !self.is_in_memory() {
            self.use_wal(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Opens a connection that writes.
    pub(crate) async fn open_writer(&self) -> Result<SqliteConnection> {
        self.open(self.writing()).await
    }

    /// Opens a connection that reads.
    pub(crate) async fn open_reader(&self) -> Result<SqliteConnection> {
        self.open(self.reading()).await
    }

    /// How a connection that reads is opened.
    pub(crate) fn reading(&self) -> SqliteConnectOptions {
        self.base.clone().pragma("cache_size", READER_CACHE).pragma("query_only", "ON")
    }

    /// Opens an empty database of its own, to hold a copy of one in memory.
    pub(crate) async fn open_copy(&self) -> Result<SqliteConnection> {
        self.open(SqliteConnectOptions::new().in_memory(true).disable_statement_logging()).await
    }

    fn writing(&self) -> SqliteConnectOptions {
        let synchronous = match self.options.get_synchronous() {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        };
        self.base
            .clone()
            .synchronous(synchronous)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("journal_size_limit", WAL_BYTES_KEPT)
    }

    async fn open(&self, options: SqliteConnectOptions) -> Result<SqliteConnection> {
        options.connect().await.map_err(|error| self.open_failure(&error.into()))
    }

    /// Switches the file to a write-ahead log, which it stays with for good. SQLite does not wait for the lock that
    /// the switch needs, so several processes that create the file at once have to try again.
    async fn use_wal(&self, connection: &mut SqliteConnection) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + self.options.get_busy_timeout();
        loop {
            let mode: Result<String, sqlx::Error> =
                sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
            match mode.map_err(Failure::from) {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(mode) => {
                    let problem = "the file system has no shared memory for a write-ahead log";
                    tracing::warn!(database = self.name, mode, problem);
                    return Err(Error::storage("open the write-ahead log", problem));
                }
                Err(failure) if failure.class() == Class::Busy && Instant::now() < deadline => {
                    sleep(PAUSE).await;
                }
                Err(failure) => return Err(self.open_failure(&failure)),
            }
        }
    }

    fn open_failure(&self, failure: &Failure) -> Error {
        failure.undone(&self.name, "open the database")
    }
}

/// Closes a connection and waits until its thread has let go of the file.
pub(crate) async fn close(connection: SqliteConnection) -> Result<()> {
    connection.close().await.map_err(|error| Error::storage("close the database", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.expect("a number")
    }

    #[tokio::test]
    async fn the_options_reach_the_connections() {
        for (synchronous, number) in [(Synchronous::Full, 2), (Synchronous::Normal, 1)] {
            let folder = tempfile::tempdir().expect("a folder");
            let options = SqliteOptions::default()
                .synchronous(synchronous)
                .busy_timeout(Duration::from_millis(123));
            let database = Database::new(Location::File(folder.path().join("bank.db")), options);
            let first = database.create().await.expect("it opens");
            let second = database.open_writer().await.expect("it opens");
            for mut connection in [first, second] {
                assert_eq!(pragma(&mut connection, "PRAGMA synchronous").await, number);
                assert_eq!(pragma(&mut connection, "PRAGMA foreign_keys").await, 1);
                assert_eq!(pragma(&mut connection, "PRAGMA busy_timeout").await, 123);
            }
            let mut reader = database.open_reader().await.expect("it opens");
            assert_eq!(pragma(&mut reader, "PRAGMA query_only").await, 1);
            assert_eq!(pragma(&mut reader, "PRAGMA busy_timeout").await, 123);
        }
    }
}
