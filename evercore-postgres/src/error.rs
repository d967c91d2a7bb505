//! What the driver's errors mean: who may retry, and whether a commit may have landed.

use evercore::{Error, OpenProblem};

/// What is left to do with a group of commits whose statement failed.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    /// The server has rolled it back.
    RolledBack(sqlx::Error),
    /// The server has rolled it back in favour of another transaction; the same again may work.
    LostRace(sqlx::Error),
    /// The connection is gone, and nobody knows.
    Unknown(sqlx::Error),
}

/// A failure of anything but a commit, while doing `operation`.
pub(crate) fn classify(operation: &'static str, error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
            // undefined_table, undefined_function, undefined_object, undefined_column, invalid_schema_name
            "42P01" | "42883" | "42704" | "42703" | "3F000" => Error::CannotOpen {
                database: "the PostgreSQL schema".to_owned(),
                problem: OpenProblem::SchemaOutdated,
                source: Some(error.into()),
            },
            // lock_not_available, query_canceled, serialization_failure, deadlock_detected
            "55P03" | "57014" | "40001" | "40P01" => Error::Busy { source: error.into() },
            // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections,
            // idle_in_transaction_session_timeout
            "57P01" | "57P02" | "57P03" | "53300" | "25P03" => {
                Error::Unavailable { source: error.into() }
            }
            // disk_full
            "53100" => Error::DiskFull { source: error.into() },
            // raised by `frontier`, read_only_sql_transaction
            "EV001" | "25006" => Error::Standby { operation, source: error.into() },
            _ => Error::storage(operation, error),
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
            Error::Unavailable { source: error.into() }
        }
        sqlx::Error::PoolClosed => Error::Closed,
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Error::Unavailable { source: error.into() }
        }
        _ => Error::storage(operation, error),
    }
}

/// A failure of the statement that commits. Only an answer of the server proves that it rolled back, and an order to
/// shut down is no such answer.
pub(crate) fn classify_commit(error: sqlx::Error) -> CommitFailure {
    let sqlx::Error::Database(database) = &error else {
        return match error {
            // Never sent: a value that cannot be encoded.
            sqlx::Error::Encode(_) => CommitFailure::RolledBack(error),
            _ => CommitFailure::Unknown(error),
        };
    };
    match database.code().as_deref().unwrap_or_default() {
        "40001" | "40P01" => CommitFailure::LostRace(error),
        // admin_shutdown, crash_shutdown; connection exceptions; transaction_resolution_unknown
        "57P01" | "57P02" | "40003" => CommitFailure::Unknown(error),
        code if code.starts_with("08") => CommitFailure::Unknown(error),
        _ => CommitFailure::RolledBack(error),
    }
}

/// The database could not be opened at all.
pub(crate) fn cannot_open(database: String, error: sqlx::Error) -> Error {
    let (problem, source) = match classify("connect", error) {
        Error::Unavailable { source } => (OpenProblem::Unreachable, source),
        error => (OpenProblem::Other, error.into()),
    };
    Error::CannotOpen { database, problem, source: Some(source) }
}

/// The server has said nothing for so long that it may be gone.
pub(crate) fn silence() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "the server did not answer within `answer_timeout`",
    ))
}
