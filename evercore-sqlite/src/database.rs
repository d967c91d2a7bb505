//! Opens the connections of one database.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use evercore::engine::{LogSignal, ObserverSlot};
use evercore::error::OpenProblem;
use evercore::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::error::{Class, Failure, Problem};
use crate::identity::FileIdentity;
use crate::locks::Locks;
use crate::options::{MissingFile, SqliteOptions, Synchronous};
use crate::preflight;
use crate::statistics::forget_statistics;
use crate::url::Location;

/// The size in bytes to which the write-ahead log is cut back after a long transaction has let it grow.
const WAL_BYTES_KEPT: &str = "67108864";
/// The number of bytes of the file that readers map into memory. Page caches keep SQLite's small default size, because
/// the bundled SQLite has one limit for all caches of the process, the sum of their sizes. A full cache takes pages
/// from the others, and a cache that has lost its share keeps no page at all from then on, not even between two
/// statements. Large caches reach that state sooner; mapped pages are in no cache. The writer maps nothing, because it
/// would look for each page in the write-ahead log first.
const MAPPED_BYTES: i64 = 1 << 30;
/// The capacity of the statement cache; there are fewer statements than this.
const CACHED_STATEMENTS: usize = 96;

/// A database, and the settings to open it.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    place: Place,
    options: SqliteOptions,
    /// The identity of the file that was opened first.
    identity: OnceLock<FileIdentity>,
    /// The write-ahead log and its index, which stay the same as long as a connection is open. `None` while they are
    /// unknown.
    beside: Mutex<Option<[FileIdentity; 2]>>,
    turns: Locks,
    /// Signalled after each commit of this engine.
    grown: LogSignal,
    /// Notified when tasks may have become due.
    enqueued: LogSignal,
    observer: ObserverSlot,
}

/// The place where SQLite finds the database.
#[derive(Debug)]
enum Place {
    File(PathBuf),
    /// The name of a database in memory, shared by the connections that open it.
    Memory(String),
}

const MEMORY_VFS: &str = "memdb";

impl Database {
    pub(crate) fn new(location: Location, options: SqliteOptions) -> Self {
        let patience = options.get_busy_timeout();
        let (name, place, turns) = match location {
            Location::File(path) => {
                let name = path.display().to_string();
                // SQLite would read `file:…` as a URI.
                let is_like_uri = path.as_os_str().as_encoded_bytes().starts_with(b"file:");
                let plain = if is_like_uri { Path::new(".").join(path) } else { path };
                (name, Place::File(plain), Locks::beside_readers(patience))
            }
            Location::Memory => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                let unique = format!("/evercore-{}", COUNT.fetch_add(1, Ordering::Relaxed));
                let turns = Locks::instead_of_readers(patience);
                (":memory:".to_owned(), Place::Memory(unique), turns)
            }
        };
        Self {
            name,
            place,
            options,
            identity: OnceLock::new(),
            beside: Mutex::default(),
            turns,
            grown: LogSignal::new(),
            enqueued: LogSignal::new(),
            observer: ObserverSlot::new(),
        }
    }

    /// Returns the file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn options(&self) -> &SqliteOptions {
        &self.options
    }

    pub(crate) const fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    pub(crate) const fn observer(&self) -> &ObserverSlot {
        &self.observer
    }

    pub(crate) const fn grown(&self) -> &LogSignal {
        &self.grown
    }

    pub(crate) const fn enqueued(&self) -> &LogSignal {
        &self.enqueued
    }

    /// Wakes what follows the log, and the workers of queues if tasks were enqueued.
    pub(crate) fn notify_of(&self, enqueues: bool) {
        self.grown.notify();
        if enqueues {
            self.enqueued.notify();
        }
    }

    pub(crate) const fn locks(&self) -> &Locks {
        &self.turns
    }

    /// Refuses to continue if the files are not those that were opened first: SQLite would write to files that no
    /// longer have a name, or mix two databases. Blocks for a few microseconds.
    pub(crate) fn check_in_place(&self) -> Result<()> {
        let Place::File(path) = &self.place else { return Ok(()) };
        let Some(first) = self.identity.get() else { return Ok(()) };
        let is_same = FileIdentity::of(path).as_ref() == Some(first);
        let known = *self.beside();
        let is_same = is_same && (known.is_none() || known == self.find_beside());
        // If the files were forgotten meanwhile, the last connection was closed, which removes them.
        if is_same || known != *self.beside() {
            return Ok(());
        }
        Err(self.cannot_open(OpenProblem::Moved))
    }

    /// Remembers the file that was opened first.
    fn remember_file(&self) {
        let Place::File(path) = &self.place else { return };
        if let Some(found) = FileIdentity::of(path) {
            // Keeps the first one.
            self.identity.set(found).ok();
        }
    }

    /// Remembers the `-wal` and `-shm` files. A connection that uses them must be open and stay so.
    pub(crate) fn remember_files(&self) {
        let mut beside = self.beside();
        if beside.is_none() {
            *beside = self.find_beside();
        }
    }

    /// Forgets the `-wal` and `-shm` files: the connection is about to be closed, and may be the last one.
    pub(crate) fn forget_files(&self) {
        *self.beside() = None;
    }

    fn beside(&self) -> MutexGuard<'_, Option<[FileIdentity; 2]>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_beside(&self) -> Option<[FileIdentity; 2]> {
        let Place::File(path) = &self.place else { return None };
        let of = |suffix| {
            let mut path = path.clone().into_os_string();
            path.push(suffix);
            FileIdentity::of(Path::new(&path))
        };
        Some([of("-wal")?, of("-shm")?])
    }

    /// Opens the first connection: creates a missing file, and finds out why an existing one cannot be used. Blocks,
    /// like all functions that open.
    pub(crate) fn create(&self) -> Result<Connection> {
        let missing_file = self.options.get_missing_file();
        if let Place::File(path) = &self.place {
            preflight::check(path, &self.name, missing_file)?;
        }
        let create = match missing_file {
            MissingFile::Create => OpenFlags::SQLITE_OPEN_CREATE,
            MissingFile::Refuse => OpenFlags::empty(),
        };
        let created = self.open(create).and_then(|connection| {
            // SQLite opens a file that it may not write as read-only.
            if connection.is_readonly(rusqlite::MAIN_DB)? {
                return Err(self.cannot_open(OpenProblem::ReadOnly).into());
            }
            self.prepare_writer(&connection)?;
            if !self.is_in_memory() {
                self.use_wal(&connection)?;
            }
            forget_statistics(&connection)?;
            Ok(connection)
        });
        match (created, &self.place) {
            (Err(Problem::Driver(failure)), Place::File(path))
                if failure.class() == Class::CannotOpen =>
            {
                let explained = preflight::explain(path, &self.name);
                Err(explained.unwrap_or_else(|| Error::CannotOpen {
                    database: self.name.clone(),
                    problem: OpenProblem::Other,
                    source: Some(failure.boxed()),
                }))
            }
            (created, _) => self.checked(created),
        }
    }

    /// Opens a connection that writes.
    pub(crate) fn open_writer(&self) -> Result<Connection> {
        self.checked(self.open(OpenFlags::empty()).and_then(|connection| {
            self.prepare_writer(&connection)?;
            Ok(connection)
        }))
    }

    /// Opens a connection that reads.
    pub(crate) fn open_reader(&self) -> Result<Connection> {
        self.checked(self.open(OpenFlags::empty()).and_then(|connection| {
            connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
            connection.pragma_update(None, "query_only", "ON")?;
            Ok(connection)
        }))
    }

    /// Opens a connection for user code that writes.
    pub(crate) async fn open_shared(&self) -> Result<SqliteConnection> {
        let base = match &self.place {
            Place::File(path) => SqliteConnectOptions::new().filename(path),
            Place::Memory(name) => SqliteConnectOptions::new().filename(name).vfs(MEMORY_VFS),
        };
        let options = base
            .busy_timeout(self.options.get_busy_timeout())
            .disable_statement_logging()
            .pragma("temp_store", "MEMORY")
            .pragma("synchronous", self.synchronous())
            .pragma("journal_size_limit", WAL_BYTES_KEPT);
        self.check_in_place()?;
        let connection = self.checked(options.connect().await.map_err(Problem::from))?;
        self.check_in_place()?;
        Ok(connection)
    }

    /// Returns how to open a connection for user code that only reads. `None` for a database in memory.
    pub(crate) fn reading_options(&self) -> Option<SqliteConnectOptions> {
        let Place::File(path) = &self.place else { return None };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(self.options.get_busy_timeout())
            .disable_statement_logging()
            .pragma("temp_store", "MEMORY");
        Some(options)
    }

    fn open(&self, more: OpenFlags) -> Result<Connection, Problem> {
        self.check_in_place()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = match &self.place {
            Place::File(path) => Connection::open_with_flags(path, flags)?,
            Place::Memory(name) => Connection::open_with_flags_and_vfs(name, flags, MEMORY_VFS)?,
        };
        // Checked again, since the files may just have been replaced: SQLite opens the database file with the
        // connection, and the files beside it with the first read.
        self.remember_file();
        self.check_in_place()?;
        connection.busy_timeout(self.options.get_busy_timeout())?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        // Otherwise SQLite prepares a statement again whenever a value is bound that the planner may have looked at.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    fn prepare_writer(&self, connection: &Connection) -> Result<(), Problem> {
        connection.pragma_update(None, "synchronous", self.synchronous())?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        Ok(())
    }

    const fn synchronous(&self) -> &'static str {
        match self.options.get_synchronous() {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        }
    }

    /// Switches the file to a write-ahead log, permanently. SQLite does not wait for the lock that this needs, so it is
    /// retried: several processes may create the file at once.
    fn use_wal(&self, connection: &Connection) -> Result<(), Problem> {
        const PAUSE: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + self.options.get_busy_timeout();
        loop {
            let mode = connection
                .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
                .map_err(Failure::from);
            match mode {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(mode) => {
                    let problem = "the file system has no shared memory for a write-ahead log";
                    tracing::warn!(database = self.name, mode, problem);
                    return Err(Error::storage("open the write-ahead log", problem).into());
                }
                Err(failure) if failure.class() == Class::Busy && Instant::now() < deadline => {
                    sleep(PAUSE);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    fn cannot_open(&self, problem: OpenProblem) -> Error {
        Error::CannotOpen { database: self.name.clone(), problem, source: None }
    }

    fn checked<T>(&self, opened: Result<T, Problem>) -> Result<T> {
        opened.map_err(|problem| problem.undone(&self.name, "open the database"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> i64 {
        connection.pragma_query_value(None, name, |row| row.get(0)).expect("a number")
    }

    #[tokio::test]
    async fn the_options_reach_the_connections() {
        for (synchronous, number) in [(Synchronous::Full, 2), (Synchronous::Normal, 1)] {
            let folder = tempfile::tempdir().expect("a folder");
            let options = SqliteOptions::default()
                .synchronous(synchronous)
                .busy_timeout(Duration::from_millis(123));
            let database = Database::new(Location::File(folder.path().join("bank.db")), options);
            let first = database.create().expect("it opens");
            let second = database.open_writer().expect("it opens");
            for connection in [first, second] {
                assert_eq!(pragma(&connection, "synchronous"), number);
                assert_eq!(pragma(&connection, "foreign_keys"), 1);
                assert_eq!(pragma(&connection, "busy_timeout"), 123);
                let stays_prepared = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG);
                assert!(stays_prepared.expect("a setting"));
            }
            let reader = database.open_reader().expect("it opens");
            assert_eq!(pragma(&reader, "query_only"), 1);
            assert_eq!(pragma(&reader, "busy_timeout"), 123);
            let mut shared = database.open_shared().await.expect("it opens");
            let found = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut shared).await;
            assert_eq!(found.unwrap_or(0), number);
        }
    }
}
