//! Classifies the driver's errors: whether a retry may succeed, and whether a commit may have been stored.
//!
//! The server's answers are judged by the class of their SQLSTATE, with overrides for single codes ([PostgreSQL's
//! documentation, appendix A](https://www.postgresql.org/docs/current/errcodes-appendix.html)). One table serves reads,
//! background work and commits, so that they cannot disagree.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::iter::successors;
use std::sync::Arc;

use evercore::error::OpenProblem;
use evercore::{BoxError, Error};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// The failure of the statement that stores a group of commits, by what is left to do.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    /// The server ended the session before it read the statement; on another connection it may succeed.
    NotRun(sqlx::Error),
    /// The server has rolled the statement back.
    RolledBack(sqlx::Error),
    /// The server has rolled the statement back in favour of another transaction; a retry may succeed.
    LostRace(sqlx::Error),
    /// The connection is gone, and the outcome is unknown.
    Unknown(sqlx::Error),
}

/// The meaning of a failure for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The server is up but could not do it now: a lock, a time-out, a lost race, too little memory. Passes.
    Busy,
    /// The session or the connection to the server is lost, or the server's system fails. Passes.
    Unavailable,
    /// The disk is full. Passes once there is room.
    DiskFull,
    /// The server takes no writes.
    Standby,
    /// A table, column, function or schema is missing.
    SchemaOutdated,
    /// The user lacks a privilege.
    NoPermission,
    /// Other tags were declared, as `append` has raised.
    DeclarationsChanged,
    /// The engine was closed.
    Closed,
    /// Anything else. The same call fails again.
    Other,
}

/// The fate of the statement that commits, as far as a failure proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotRun,
    RolledBack,
    LostRace,
    Unknown,
}

/// Returns the meaning of an SQLSTATE for the caller, and for a statement that commits.
fn meaning(code: &str) -> (Class, Fate) {
    match code {
        // idle_in_transaction_session_timeout, idle_session_timeout: the server checks both before it runs what it has
        // read, and runs nothing after either.
        "25P03" | "57P05" => (Class::Unavailable, Fate::NotRun),
        // transaction_timeout: the transaction may have ended before the time-out fired.
        "25P04" => (Class::Unavailable, Fate::Unknown),
        // read_only_sql_transaction; raised by `frontier`
        "25006" | "EV001" => (Class::Standby, Fate::RolledBack),
        // raised by `append`
        "EV003" => (Class::DeclarationsChanged, Fate::RolledBack),
        // transaction_integrity_constraint_violation: a retry is refused again.
        "40002" => (Class::Other, Fate::RolledBack),
        // statement_completion_unknown
        "40003" => (Class::Unavailable, Fate::Unknown),
        // undefined_table, undefined_function, undefined_object, undefined_column, invalid_schema_name
        "42P01" | "42883" | "42704" | "42703" | "3F000" => {
            (Class::SchemaOutdated, Fate::RolledBack)
        }
        // insufficient_privilege
        "42501" => (Class::NoPermission, Fate::RolledBack),
        // disk_full
        "53100" => (Class::DiskFull, Fate::RolledBack),
        // too_many_connections: there is no session to run anything.
        "53300" => (Class::Unavailable, Fate::RolledBack),
        // object_in_use, lock_not_available
        "55006" | "55P03" => (Class::Busy, Fate::RolledBack),
        // query_canceled, by an operator or a time-out
        "57014" => (Class::Busy, Fate::RolledBack),
        // database_dropped
        "57P04" => (Class::Other, Fate::Unknown),
        // undefined_file, duplicate_file: permanent damage.
        "58P01" | "58P02" => (Class::Other, Fate::Unknown),
        _ => match code.get(..2).unwrap_or_default() {
            // Connection exception. PgBouncer reports all its failures as 08P01.
            "08" => (Class::Unavailable, Fate::Unknown),
            // Transaction rollback: serialization_failure, deadlock_detected.
            "40" => (Class::Busy, Fate::LostRace),
            // Insufficient resources: out_of_memory, configuration_limit_exceeded.
            "53" => (Class::Busy, Fate::RolledBack),
            // Operator intervention: admin_shutdown, crash_shutdown, cannot_connect_now.
            "57" => (Class::Unavailable, Fate::Unknown),
            // System error: io_error; some poolers report a lost server as 58000.
            "58" => (Class::Unavailable, Fate::Unknown),
            // Mistakes in a statement or its data, damage (XX): the same call fails again.
            _ => (Class::Other, Fate::RolledBack),
        },
    }
}

impl Class {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(answer) => meaning(&code(&**answer)).0,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable,
            sqlx::Error::PoolClosed => Self::Closed,
            _ => Self::Other,
        }
    }

    /// Returns the error of this class, for a failure of `operation`.
    fn error(self, operation: &'static str, source: BoxError) -> Error {
        match self {
            Self::Busy => Error::Busy { source },
            Self::Unavailable => Error::Unavailable { source },
            Self::DiskFull => Error::DiskFull { source },
            Self::Standby => Error::Standby { operation, source },
            Self::SchemaOutdated => unusable(OpenProblem::SchemaOutdated, source),
            Self::NoPermission => unusable(OpenProblem::NoPermission, source),
            Self::DeclarationsChanged => Error::DeclarationsChanged,
            Self::Closed => Error::Closed,
            Self::Other => Error::storage(operation, source),
        }
    }
}

/// Returns the error for a schema that this program cannot use as it is.
fn unusable(problem: OpenProblem, source: BoxError) -> Error {
    let database = "the PostgreSQL schema".to_owned();
    Error::CannotOpen { database, problem, source: Some(source) }
}

impl Fate {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(answer) => Self::of_answer(&code(&**answer), is_fatal(&**answer)),
            // Never sent: a value that cannot be encoded.
            sqlx::Error::Encode(_) => Self::RolledBack,
            _ => Self::Unknown,
        }
    }

    fn of_answer(code: &str, is_fatal: bool) -> Self {
        match meaning(code).1 {
            Self::NotRun => Self::NotRun,
            // An error that ends the session or the server may come after the commit record was written.
            _ if is_fatal => Self::Unknown,
            fate => fate,
        }
    }
}

fn code(answer: &dyn DatabaseError) -> String {
    answer.code().unwrap_or_default().into_owned()
}

fn is_fatal(answer: &dyn DatabaseError) -> bool {
    answer
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|answer| matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Converts a failure of `operation`, which is anything but a commit.
pub(crate) fn classify(operation: &'static str, error: sqlx::Error) -> Error {
    Class::of(&error).error(operation, error.into())
}

/// Converts a failure like [`classify`] does, for several callers that share it.
pub(crate) fn classify_shared(operation: &'static str, error: &Arc<sqlx::Error>) -> Error {
    Class::of(error).error(operation, Arc::clone(error).into())
}

/// Converts a failure of the statement that commits. Only an answer of the server proves a rollback. An answer that
/// ends the session or the server proves nothing, unless it says that the statement was not read.
pub(crate) fn classify_commit(error: sqlx::Error) -> CommitFailure {
    match Fate::of(&error) {
        Fate::NotRun => CommitFailure::NotRun(error),
        Fate::RolledBack => CommitFailure::RolledBack(error),
        Fate::LostRace => CommitFailure::LostRace(error),
        Fate::Unknown => CommitFailure::Unknown(error),
    }
}

/// Whether a call failed because the server had ended the session before the call reached it: on another connection the
/// same call may succeed.
pub(crate) fn met_an_ended_session(error: &Error) -> bool {
    let Error::Unavailable { source } = error else { return false };
    source.downcast_ref().is_some_and(is_ended_session)
}

/// Like [`met_an_ended_session`], for the driver's error.
pub(crate) fn is_ended_session(error: &sqlx::Error) -> bool {
    // idle_session_timeout
    matches!(error, sqlx::Error::Database(answer) if code(&**answer) == "57P05")
}

/// Whether an error was caused by a failure that aborted the transaction and has nothing to do with the transaction's
/// own work: another transaction was preferred, a lock was not granted in time, the server lacks a resource. A
/// cancelled statement does not count: a retry would send the same statement, which takes too long again.
pub(crate) fn is_transient_abort(error: &(dyn StdError + 'static)) -> bool {
    let passes = |answer: &dyn DatabaseError| {
        let code = code(answer);
        code != "57014"
            && matches!(meaning(&code).0, Class::Busy | Class::Unavailable | Class::DiskFull)
    };
    successors(Some(error), |&cause| cause.source()).any(|cause| {
        // The source of an `sqlx::Error::Database` is a `Box<dyn DatabaseError>`, which stands alone where an opaque
        // error has wrapped it.
        match (cause.downcast_ref(), cause.downcast_ref::<Box<dyn DatabaseError>>()) {
            (Some(sqlx::Error::Database(answer)), _) | (None, Some(answer)) => passes(&**answer),
            _ => false,
        }
    })
}

/// Converts a failure to open the database.
pub(crate) fn cannot_open(database: String, error: sqlx::Error) -> Error {
    let problem = known_problem(&error).unwrap_or_else(|| match Class::of(&error) {
        Class::Unavailable | Class::Busy => OpenProblem::Unreachable,
        _ => OpenProblem::Other,
    });
    Error::CannotOpen { database, problem, source: Some(error.into()) }
}

fn known_problem(error: &sqlx::Error) -> Option<OpenProblem> {
    match error {
        // A missing socket file is like a port on which nothing listens.
        sqlx::Error::Io(error)
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) =>
        {
            Some(OpenProblem::ConnectionRefused)
        }
        sqlx::Error::Database(answer) => match code(&**answer).as_ref() {
            "3D000" => Some(OpenProblem::NoSuchDatabase),
            "42501" => Some(OpenProblem::NoPermission),
            code if code.starts_with("28") => Some(OpenProblem::AccessDenied),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the error for a server that has been silent for so long that it may be gone.
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

    use sqlx::error::DatabaseError;

    use super::*;

    #[test]
    fn aborted_transactions_are_split_into_transient_and_permanent() {
        let wrapped = |code| std::io::Error::other(answer(code));
        for code in ["40001", "40P01", "55P03", "53200", "53100", "57P01"] {
            assert!(is_transient_abort(&answer(code)), "{code}");
            assert!(is_transient_abort(&wrapped(code)), "{code}");
        }
        for code in ["23505", "22012", "57014", "P0001", "42P01", "25P02"] {
            assert!(!is_transient_abort(&wrapped(code)), "{code}");
        }
        assert!(!is_transient_abort(&sqlx::Error::RowNotFound));
    }

    /// A server's answer with this SQLSTATE.
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

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    fn answer(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Answer(code)))
    }

    fn lost() -> [sqlx::Error; 3] {
        let protocol = sqlx::Error::Protocol("it makes no sense".to_owned());
        [silence(), protocol, sqlx::Error::WorkerCrashed]
    }

    /// Covers codes of each class of appendix A, with their meaning for a read and for a commit.
    #[test]
    fn a_code_says_what_the_caller_can_do() {
        use Class::{
            Busy, DeclarationsChanged, DiskFull, NoPermission, Other, SchemaOutdated, Standby,
            Unavailable,
        };
        use Fate::{LostRace, NotRun, RolledBack, Unknown};
        let classes: [(&[&str], Class, Fate); 19] = [
            (&["", "00000", "01000", "02000", "03000"], Other, RolledBack),
            (
                &["08000", "08001", "08003", "08004", "08006", "08007", "08P01"],
                Unavailable,
                Unknown,
            ),
            (&["0A000", "21000", "22003", "22P05", "23505", "23503"], Other, RolledBack),
            (&["25000", "25001", "25P02", "26000", "28000", "28P01"], Other, RolledBack),
            (&["25006", "EV001"], Standby, RolledBack),
            (&["EV003"], DeclarationsChanged, RolledBack),
            (&["25P03", "57P05"], Unavailable, NotRun),
            (&["25P04", "40003"], Unavailable, Unknown),
            (&["40000", "40001", "40P01"], Busy, LostRace),
            (&["40002", "42601", "42P05"], Other, RolledBack),
            (&["42501"], NoPermission, RolledBack),
            (&["42P01", "42883", "42704", "42703", "3F000"], SchemaOutdated, RolledBack),
            (&["53000", "53200", "53400", "55006", "55P03", "57014"], Busy, RolledBack),
            (&["53100"], DiskFull, RolledBack),
            (&["53300"], Unavailable, RolledBack),
            (&["54000", "54023", "55000", "P0001", "XX000", "XX001"], Other, RolledBack),
            (&["57000", "57P01", "57P02", "57P03"], Unavailable, Unknown),
            (&["57P04", "58P01", "58P02"], Other, Unknown),
            (&["58000", "58030"], Unavailable, Unknown),
        ];
        for (codes, class, fate) in classes {
            for code in codes {
                assert_eq!(meaning(code), (class, fate), "{code}");
                let passes = matches!(class, Busy | Unavailable | DiskFull | DeclarationsChanged);
                assert_eq!(classify("look", answer(code)).is_retryable(), passes, "{code}");
            }
        }
    }

    /// A server that shuts down may already have written the commit record: a disk that fills up under the write-ahead
    /// log is a PANIC with the code of a full disk.
    #[test]
    fn an_answer_that_ends_the_session_proves_nothing_unless_the_statement_was_not_read() {
        for code in ["53100", "58030", "40001", "23505", "25P04", "57P01"] {
            assert_eq!(Fate::of_answer(code, true), Fate::Unknown, "{code}");
        }
        for code in ["57P05", "25P03"] {
            assert_eq!(Fate::of_answer(code, true), Fate::NotRun, "{code}");
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

    /// A mistake here would report a stored commit as refused, or store it twice.
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
        for code in ["57P05", "25P03"] {
            assert!(matches!(classify_commit(answer(code)), CommitFailure::NotRun(_)), "{code}");
        }
        for code in ["23505", "55P03", "57014", "53100", "0A000"] {
            let failure = classify_commit(answer(code));
            assert!(matches!(failure, CommitFailure::RolledBack(_)), "{code}");
        }
        let never_sent = sqlx::Error::Encode("too long".into());
        assert!(matches!(classify_commit(never_sent), CommitFailure::RolledBack(_)));
    }

    #[test]
    fn a_failed_connection_says_whether_a_server_answered() {
        let problem = |error| match cannot_open("the bank".to_owned(), error) {
            Error::CannotOpen { database, problem, source: Some(_) } if database == "the bank" => {
                problem
            }
            other => panic!("{other}"),
        };
        assert_eq!(problem(silence()), OpenProblem::Unreachable);
        assert_eq!(problem(answer("53200")), OpenProblem::Unreachable);
        let refused = sqlx::Error::Io(ErrorKind::ConnectionRefused.into());
        assert_eq!(problem(refused), OpenProblem::ConnectionRefused);
        assert_eq!(problem(answer("57P03")), OpenProblem::Unreachable);
        for code in ["28000", "28P01"] {
            assert_eq!(problem(answer(code)), OpenProblem::AccessDenied);
        }
        assert_eq!(problem(answer("3D000")), OpenProblem::NoSuchDatabase);
        assert_eq!(problem(answer("42501")), OpenProblem::NoPermission);
        assert_eq!(problem(answer("XX000")), OpenProblem::Other);
    }
}
