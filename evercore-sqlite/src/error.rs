//! Classifies failures of SQLite by what they mean for the caller.
//!
//! One table ([`Class::of`]) classifies [SQLite's result codes](https://www.sqlite.org/rescode.html) for reads,
//! background work and commits.

use std::borrow::Cow;
use std::fmt;
use std::iter::successors;
use std::sync::Arc;

use evercore::error::OpenProblem;
use evercore::{BoxError, CommitId, Error};
use rusqlite::ffi;
use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

/// A driver error that several callers can share, since all commits of a group fail by the same one.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    class: Class,
    source: Arc<dyn std::error::Error + Send + Sync>,
}

/// A failure of a statement, or an error that its result stands for.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The driver failed.
    Driver(Failure),
    /// The statement ran, and its result stands for this error.
    Answer(Error),
}

/// The meaning of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Another connection held the lock for the whole busy timeout. Nothing was done.
    Busy,
    /// Too little memory, a lock that the system did not grant, or an interrupt. Passes; after an attempt to write, it
    /// is unknown what reached the disk.
    Passing,
    /// The system failed to read or write, or the connection of user code is gone. Probably passes; after an attempt to
    /// write, it is unknown what reached the disk.
    Unavailable,
    /// A constraint of the schema refused a row.
    Constraint,
    /// The file cannot be written.
    ReadOnly,
    /// The file was moved while it was open.
    Moved,
    /// The file is no SQLite database.
    NotADatabase,
    /// The file, or its `-wal` or `-shm`, cannot be opened. If it could be opened before, the process has too many open
    /// files.
    CannotOpen,
    /// A table or column is missing.
    SchemaOutdated,
    /// A value, such as a page of events, is larger than SQLite can hold.
    TooBig,
    /// The file's content breaks SQLite's format.
    Corrupt,
    /// The disk is full. SQLite has undone the transaction, or lets the engine undo it.
    Full,
    /// There is no room for the index of the write-ahead log to grow. At the end of a transaction, this error comes
    /// after the transaction's content was written.
    IndexFull,
    /// Anything else: a mistake in a statement, an invalid row. The same call fails again; after an attempt to write,
    /// it is unknown what reached the disk.
    Other,
}

impl Failure {
    pub(crate) const fn class(&self) -> Class {
        self.class
    }

    /// Whether the release of a savepoint failed because the transaction, and the savepoint with it, had already ended.
    pub(crate) fn is_savepoint_gone(&self) -> bool {
        self.source.to_string().starts_with("no such savepoint")
    }

    /// Converts the failure of a read, or of a write that is known to be undone.
    pub(crate) fn undone(&self, database: &str, operation: &'static str) -> Error {
        let cannot_open = |problem| Error::CannotOpen {
            database: database.to_owned(),
            problem,
            source: Some(self.boxed()),
        };
        match self.class {
            Class::Busy | Class::Passing => Error::Busy { source: self.boxed() },
            Class::Unavailable | Class::CannotOpen => Error::Unavailable { source: self.boxed() },
            Class::Moved => cannot_open(OpenProblem::Moved),
            Class::ReadOnly => cannot_open(OpenProblem::ReadOnly),
            Class::NotADatabase => cannot_open(OpenProblem::NotADatabase),
            Class::SchemaOutdated => cannot_open(OpenProblem::SchemaOutdated),
            Class::Corrupt => {
                Error::corrupt("database file", format!("{database}: {}", self.source))
            }
            Class::Full | Class::IndexFull => Error::DiskFull { source: self.boxed() },
            Class::Constraint | Class::TooBig | Class::Other => {
                Error::storage(operation, self.boxed())
            }
        }
    }

    /// Converts the failure of a commit that may have been stored.
    pub(crate) fn unknown(&self, commit: CommitId) -> Error {
        Error::OutcomeUnknown { commit, source: self.boxed() }
    }

    pub(crate) fn boxed(&self) -> BoxError {
        Box::new(self.clone())
    }
}

impl Class {
    /// Classifies a result code of SQLite. The higher bits of an extended code refine the primary code.
    fn of(code: i32, message: &str) -> Self {
        match code {
            ffi::SQLITE_IOERR_SHMSIZE => return Self::IndexFull,
            ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => return Self::Corrupt,
            ffi::SQLITE_IOERR_NOMEM
            | ffi::SQLITE_IOERR_BLOCKED
            | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
            | ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_SHMLOCK
            | ffi::SQLITE_IOERR_UNLOCK => return Self::Passing,
            ffi::SQLITE_READONLY_DBMOVED => return Self::Moved,
            ffi::SQLITE_ERROR_RETRY | ffi::SQLITE_ERROR_SNAPSHOT => return Self::Busy,
            _ => {}
        }
        match code & 0xff {
            // The last two occur when several processes open the database at once, and when the schema keeps changing.
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL | ffi::SQLITE_SCHEMA => {
                Self::Busy
            }
            ffi::SQLITE_NOMEM | ffi::SQLITE_INTERRUPT => Self::Passing,
            ffi::SQLITE_IOERR => Self::Unavailable,
            ffi::SQLITE_READONLY => Self::ReadOnly,
            ffi::SQLITE_CORRUPT => Self::Corrupt,
            ffi::SQLITE_FULL => Self::Full,
            ffi::SQLITE_CANTOPEN => Self::CannotOpen,
            ffi::SQLITE_TOOBIG => Self::TooBig,
            ffi::SQLITE_CONSTRAINT => Self::Constraint,
            ffi::SQLITE_NOTADB => Self::NotADatabase,
            ffi::SQLITE_ERROR if is_schema_missing(message) => Self::SchemaOutdated,
            _ => Self::Other,
        }
    }
}

impl Class {
    /// Whether the failure has nothing to do with the statements of the transaction that met it.
    const fn passes(self) -> bool {
        matches!(self, Self::Passing | Self::Unavailable | Self::Full | Self::IndexFull)
    }

    /// Classifies an error of SQLite that came through sqlx.
    fn of_driver(error: &dyn DatabaseError) -> Self {
        // User code may also use other databases; their errors say nothing about this one.
        let Some(error) = error.try_downcast_ref::<SqliteError>() else { return Self::Other };
        let code = error.code().and_then(|code| code.parse().ok());
        code.map_or(Self::Other, |code| Self::of(code, error.message()))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let class = match &error {
            rusqlite::Error::SqliteFailure(code, _) => {
                Class::of(code.extended_code, &error.to_string())
            }
            // A statement that does not match the schema.
            rusqlite::Error::SqlInputError { error, msg, .. } => {
                Class::of(error.extended_code, msg)
            }
            _ => Class::Other,
        };
        Self { class, source: Arc::new(error) }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let class = match &error {
            sqlx::Error::Database(error) => Class::of_driver(&**error),
            sqlx::Error::WorkerCrashed => Class::Unavailable,
            _ => Class::Other,
        };
        Self { class, source: Arc::new(error) }
    }
}

impl Problem {
    /// Returns the failure or the error, for logs.
    pub(crate) fn as_error(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Driver(failure) => failure,
            Self::Answer(error) => error,
        }
    }

    /// Converts the failure of a read, or of a write that is known to be undone.
    pub(crate) fn undone(self, database: &str, operation: &'static str) -> Error {
        match self {
            Self::Driver(failure) => failure.undone(database, operation),
            Self::Answer(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error.into())
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Driver(failure)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// Whether an error was caused by a failure of SQLite that has nothing to do with the transaction's own work: a full or
/// failing disk, too little memory. A lock does not count: the transaction holds the database's only write lock, so the
/// lock must belong to another database.
pub(crate) fn is_transient_abort(error: &(dyn std::error::Error + 'static)) -> bool {
    successors(Some(error), |&cause| cause.source()).any(|cause| {
        let class = match (cause.downcast_ref(), cause.downcast_ref::<Box<dyn DatabaseError>>()) {
            (Some(sqlx::Error::Database(error)), _) | (None, Some(error)) => {
                Class::of_driver(&**error)
            }
            (Some(sqlx::Error::WorkerCrashed), _) => Class::Unavailable,
            _ => return false,
        };
        class.passes()
    })
}

/// Whether a result code of the transaction's own connection is of a failure that passes, as in
/// [`is_transient_abort`].
pub(crate) fn passes(code: i32) -> bool {
    Class::of(code, "").passes()
}

/// Makes an error source of a reason that does not come from SQLite.
pub(crate) fn because(reason: impl Into<Cow<'static, str>>) -> BoxError {
    reason.into().into()
}

fn is_schema_missing(message: &str) -> bool {
    message.starts_with("no such table") || message.contains("no such column")
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ffi};

    use super::*;

    fn failure(code: i32, message: &str) -> Failure {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message.to_owned())).into()
    }

    fn class(code: i32) -> Class {
        failure(code, "as it is").class()
    }

    /// Returns SQLite's own failure for a statement.
    fn refused(sql: &str) -> Failure {
        let connection = Connection::open_in_memory().expect("memory opens");
        connection.prepare(sql).map(drop).expect_err("it cannot be prepared").into()
    }

    /// A failure that passes can be retried; a permanent one cannot.
    #[test]
    fn a_code_says_whether_the_caller_can_retry() {
        let passing = [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_RECOVERY,
            ffi::SQLITE_LOCKED_SHAREDCACHE,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_INTERRUPT,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_LOCK,
            ffi::SQLITE_IOERR_SHMMAP,
            ffi::SQLITE_IOERR_NOMEM,
            ffi::SQLITE_FULL,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_PROTOCOL,
            ffi::SQLITE_SCHEMA,
        ];
        for code in passing {
            let error = failure(code, "as it is").undone("the bank", "look");
            assert!(error.is_retryable(), "{code}: {error:?}");
        }
        let staying = [
            ffi::SQLITE_ERROR,
            ffi::SQLITE_INTERNAL,
            ffi::SQLITE_PERM,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_IOERR_DATA,
            ffi::SQLITE_IOERR_CORRUPTFS,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_CONSTRAINT,
            ffi::SQLITE_MISMATCH,
            ffi::SQLITE_MISUSE,
            ffi::SQLITE_AUTH,
            ffi::SQLITE_RANGE,
            ffi::SQLITE_NOTADB,
        ];
        for code in staying {
            let error = failure(code, "as it is").undone("the bank", "look");
            assert!(!error.is_retryable(), "{code}: {error:?}");
        }
    }

    #[test]
    fn each_code_has_its_meaning() {
        let meanings = [
            (ffi::SQLITE_BUSY, Class::Busy),
            (ffi::SQLITE_BUSY_SNAPSHOT, Class::Busy),
            (ffi::SQLITE_LOCKED, Class::Busy),
            (ffi::SQLITE_READONLY, Class::ReadOnly),
            (ffi::SQLITE_READONLY_DBMOVED, Class::Moved),
            (ffi::SQLITE_CORRUPT, Class::Corrupt),
            (ffi::SQLITE_FULL, Class::Full),
            (ffi::SQLITE_CANTOPEN, Class::CannotOpen),
            (ffi::SQLITE_TOOBIG, Class::TooBig),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Class::Constraint),
            (ffi::SQLITE_NOTADB, Class::NotADatabase),
            (ffi::SQLITE_IOERR_SHMSIZE, Class::IndexFull),
            (ffi::SQLITE_IOERR, Class::Unavailable),
            (ffi::SQLITE_IOERR_WRITE, Class::Unavailable),
            (ffi::SQLITE_IOERR_DATA, Class::Corrupt),
            (ffi::SQLITE_IOERR_LOCK, Class::Passing),
            (ffi::SQLITE_IOERR_NOMEM, Class::Passing),
            (ffi::SQLITE_PROTOCOL, Class::Busy),
            (ffi::SQLITE_INTERRUPT, Class::Passing),
            (ffi::SQLITE_ERROR, Class::Other),
            (ffi::SQLITE_NOMEM, Class::Passing),
        ];
        for (code, meaning) in meanings {
            assert_eq!(class(code), meaning, "{code}");
        }
        assert_eq!(Failure::from(rusqlite::Error::InvalidQuery).class(), Class::Other);
        assert_eq!(Failure::from(sqlx::Error::WorkerCrashed).class(), Class::Unavailable);
        assert_eq!(Failure::from(sqlx::Error::RowNotFound).class(), Class::Other);
    }

    #[test]
    fn only_what_is_missing_makes_a_schema_outdated() {
        assert_eq!(refused("SELECT 1 FROM nowhere").class(), Class::SchemaOutdated);
        assert_eq!(refused("SELECT absent").class(), Class::SchemaOutdated);
        assert_eq!(refused("SELECT FROM").class(), Class::Other);
        assert_eq!(failure(ffi::SQLITE_ERROR, "no such table: t").class(), Class::SchemaOutdated);
        assert_eq!(failure(ffi::SQLITE_ERROR, "SQL logic error").class(), Class::Other);
    }

    #[test]
    fn a_savepoint_is_gone_where_sqlite_says_so() {
        let connection = Connection::open_in_memory().expect("memory opens");
        let released = connection.execute_batch("RELEASE absent").expect_err("there is none");
        assert!(Failure::from(released).is_savepoint_gone());
        assert!(!failure(ffi::SQLITE_IOERR, "disk I/O error").is_savepoint_gone());
    }

    #[test]
    fn a_failure_says_what_its_cause_says() {
        let io = || std::io::Error::other("the cable is out");
        let (failure, alone) = (Failure::from(sqlx::Error::Io(io())), sqlx::Error::Io(io()));
        let cause = |error: &dyn std::error::Error| error.source().map(ToString::to_string);
        assert_eq!((failure.to_string(), cause(&failure)), (alone.to_string(), cause(&alone)));
        assert!(cause(&failure).is_some());
    }
}
