//! What a failure of SQLite means for the caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use evercore::{BoxError, CommitId, Error, OpenProblem};

/// A driver error that several callers are told about: all commits of a group fail by the same one.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    class: Class,
    source: Arc<dyn std::error::Error + Send + Sync>,
}

/// What can go wrong with a statement and what it returns.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The driver failed.
    Driver(Failure),
    /// The statement ran, and this is the answer.
    Answer(Error),
}

/// What a failure means. The codes are SQLite's primary result codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Another connection holds the lock, and did so for the whole busy timeout.
    Busy,
    /// A constraint of the schema refused a row.
    Constraint,
    /// The file cannot be written.
    ReadOnly,
    /// The file is no SQLite database.
    NotADatabase,
    /// The file, or one of those beside it, cannot be opened.
    CannotOpen,
    /// A table or column is missing.
    SchemaOutdated,
    /// A value, such as a page of events, is larger than SQLite can hold.
    TooBig,
    /// SQLite says that the file breaks its format.
    Corrupt,
    /// The disk is full. SQLite has undone the transaction, or lets us undo it.
    Full,
    /// The connection that user code had is gone: its thread has panicked or could not be reached.
    ConnectionLost,
    /// Anything else; after an attempt to write, it is not known what reached the disk.
    Other,
}

impl Failure {
    pub(crate) const fn class(&self) -> Class {
        self.class
    }

    /// Whether a savepoint was to be released which the transaction, having ended, has taken with it.
    pub(crate) fn is_savepoint_gone(&self) -> bool {
        self.source.to_string().starts_with("no such savepoint")
    }

    /// The error of a read, or of a write that is known to be undone.
    pub(crate) fn undone(&self, database: &str, operation: &'static str) -> Error {
        let cannot_open = |problem| Error::CannotOpen {
            database: database.to_owned(),
            problem,
            source: Some(self.boxed()),
        };
        match self.class {
            Class::Busy => Error::Busy { source: self.boxed() },
            Class::ReadOnly => cannot_open(OpenProblem::ReadOnly),
            Class::NotADatabase => cannot_open(OpenProblem::NotADatabase),
            Class::SchemaOutdated => cannot_open(OpenProblem::SchemaOutdated),
            Class::CannotOpen => cannot_open(OpenProblem::Other),
            Class::Corrupt => {
                Error::corrupt("database file", format!("{database}: {}", self.source))
            }
            Class::Full => Error::DiskFull { source: self.boxed() },
            Class::ConnectionLost => Error::Unavailable { source: self.boxed() },
            Class::Constraint | Class::TooBig | Class::Other => {
                Error::storage(operation, self.boxed())
            }
        }
    }

    /// The error of a commit that may have landed.
    pub(crate) fn unknown(&self, commit: CommitId) -> Error {
        Error::OutcomeUnknown { commit, source: self.boxed() }
    }

    pub(crate) fn boxed(&self) -> BoxError {
        Box::new(self.clone())
    }
}

impl Class {
    /// What SQLite's result code means. Its higher bits refine the primary code.
    fn of(code: i32, message: &str) -> Self {
        match code & 0xff {
            5 | 6 => Self::Busy,
            8 => Self::ReadOnly,
            11 => Self::Corrupt,
            13 => Self::Full,
            14 => Self::CannotOpen,
            18 => Self::TooBig,
            19 => Self::Constraint,
            26 => Self::NotADatabase,
            1 if is_schema_missing(message) => Self::SchemaOutdated,
            _ => Self::Other,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let class = match &error {
            rusqlite::Error::SqliteFailure(code, _) => {
                Class::of(code.extended_code, &error.to_string())
            }
            // Of a statement that is not as the schema is.
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
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse().ok());
                code.map_or(Class::Other, |code| Class::of(code, error.message()))
            }
            sqlx::Error::WorkerCrashed => Class::ConnectionLost,
            _ => Class::Other,
        };
        Self { class, source: Arc::new(error) }
    }
}

impl Problem {
    /// The error of a read, or of a write that is known to be undone.
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

/// A reason that SQLite did not give.
pub(crate) fn because(reason: impl Into<Cow<'static, str>>) -> BoxError {
    reason.into().into()
}

fn is_schema_missing(message: &str) -> bool {
    message.starts_with("no such table") || message.contains("no such column")
}
