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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An answer of the server with this code.
    #[derive(Debug)]
    struct Answer(&'static str);

    impl fmt::Display for Answer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Answer {}

    impl DatabaseError for Answer {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn answer(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Answer(code)))
    }

    fn lost() -> [sqlx::Error; 3] {
        let protocol = sqlx::Error::Protocol("it makes no sense".to_owned());
        [silence(), protocol, sqlx::Error::WorkerCrashed]
    }

    #[test]
    fn a_code_says_what_the_caller_can_do() {
        let of = |code| classify("look", answer(code));
        for code in ["42P01", "42883", "42704", "42703", "3F000"] {
            let problem = OpenProblem::SchemaOutdated;
            let error = of(code);
            assert!(
                matches!(&error, Error::CannotOpen { problem: found, .. } if *found == problem)
            );
        }
        for code in ["55P03", "57014", "40001", "40P01"] {
            assert!(matches!(of(code), Error::Busy { .. }), "{code}");
        }
        for code in ["57P01", "57P02", "57P03", "53300", "25P03"] {
            assert!(matches!(of(code), Error::Unavailable { .. }), "{code}");
        }
        assert!(matches!(of("53100"), Error::DiskFull { .. }));
        for code in ["EV001", "25006"] {
            assert!(matches!(of(code), Error::Standby { operation: "look", .. }), "{code}");
        }
        for code in ["23505", "22003", "XX000", ""] {
            assert!(matches!(of(code), Error::Storage { operation: "look", .. }), "{code}");
        }
    }

    #[test]
    fn a_lost_connection_is_unavailable_and_a_closed_pool_is_closed() {
        for error in lost().into_iter().chain([sqlx::Error::PoolTimedOut]) {
            assert!(matches!(classify("look", error), Error::Unavailable { .. }));
        }
        assert!(matches!(classify("look", sqlx::Error::PoolClosed), Error::Closed));
        let other = classify("look", sqlx::Error::RowNotFound);
        assert!(matches!(other, Error::Storage { operation: "look", .. }));
    }

    /// Wrong here would be a commit that landed and is told as refused, or made twice.
    #[test]
    fn only_an_answer_proves_that_a_commit_was_rolled_back() {
        for code in ["40001", "40P01"] {
            assert!(matches!(classify_commit(answer(code)), CommitFailure::LostRace(_)), "{code}");
        }
        let no_answers = ["57P01", "57P02", "40003", "08006", "08P01"].map(answer);
        for error in no_answers.into_iter().chain(lost()).chain([sqlx::Error::RowNotFound]) {
            let shown = error.to_string();
            assert!(matches!(classify_commit(error), CommitFailure::Unknown(_)), "{shown}");
        }
        for code in ["23505", "55P03", "57014", "53100", "25P03", "0A000"] {
            let failure = classify_commit(answer(code));
            assert!(matches!(failure, CommitFailure::RolledBack(_)), "{code}");
        }
        let never_sent = sqlx::Error::Encode("too long".into());
        assert!(matches!(classify_commit(never_sent), CommitFailure::RolledBack(_)));
    }

    #[test]
    fn what_cannot_be_opened_says_whether_anyone_was_there() {
        let problem = |error| match cannot_open("the bank".to_owned(), error) {
            Error::CannotOpen { database, problem, source: Some(_) } if database == "the bank" => {
                problem
            }
            other => panic!("{other}"),
        };
        assert_eq!(problem(silence()), OpenProblem::Unreachable);
        assert_eq!(problem(answer("28P01")), OpenProblem::Other);
    }
}
