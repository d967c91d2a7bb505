//! What a failure of SQLite means for the caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use evercore::{BoxError, CommitId, Error, OpenProblem};

/// A driver error that several callers are told about: all commits of a group fail by the same one.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<sqlx::Error>);

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
    /// The connection is gone: its thread has panicked or could not be reached.
    ConnectionLost,
    /// Anything else; after an attempt to write, it is not known what reached the disk.
    Other,
}

impl Failure {
    pub(crate) fn class(&self) -> Class {
        match &*self.0 {
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                // The higher bits refine the primary code.
                match code.map(|code| code & 0xff) {
                    Some(5 | 6) => Class::Busy,
                    Some(8) => Class::ReadOnly,
                    Some(11) => Class::Corrupt,
                    Some(13) => Class::Full,
                    Some(14) => Class::CannotOpen,
                    Some(18) => Class::TooBig,
                    Some(19) => Class::Constraint,
                    Some(26) => Class::NotADatabase,
                    Some(1) if is_schema_missing(error.message()) => Class::SchemaOutdated,
                    _ => Class::Other,
                }
            }
            sqlx::Error::WorkerCrashed => Class::ConnectionLost,
            _ => Class::Other,
        }
    }

    /// The error of a read, or of a write that is known to be undone.
    pub(crate) fn undone(&self, database: &str, operation: &'static str) -> Error {
        let cannot_open = |problem| Error::CannotOpen {
            database: database.to_owned(),
            problem,
            source: Some(self.boxed()),
        };
        match self.class() {
            Class::Busy => Error::Busy { source: self.boxed() },
            Class::ReadOnly => cannot_open(OpenProblem::ReadOnly),
            Class::NotADatabase => cannot_open(OpenProblem::NotADatabase),
            Class::SchemaOutdated => cannot_open(OpenProblem::SchemaOutdated),
            Class::CannotOpen => cannot_open(OpenProblem::Other),
            Class::Corrupt => Error::corrupt("database file", self.0.to_string()),
            Class::ConnectionLost => Error::Unavailable { source: self.boxed() },
            Class::Constraint | Class::TooBig | Class::Full | Class::Other => {
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

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
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

    pub(crate) fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Driver(failure) if failure.class() == Class::ConnectionLost)
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
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

/// A reason that SQLite did not give.
pub(crate) fn because(reason: impl Into<Cow<'static, str>>) -> BoxError {
    reason.into().into()
}

fn is_schema_missing(message: &str) -> bool {
    message.starts_with("no such table") || message.contains("no such column")
}
