//! Classifies the outcome of commits that shared a transaction.

use evercore::{CommitId, Committed, Result};

use crate::error::{Class, Failure, Problem};
use crate::locks::Overdue;

/// The outcome of the commits as a whole.
pub(super) enum Outcome {
    /// The transaction was committed; a verdict for each commit.
    Landed(Vec<Result<Committed>>),
    /// There was nothing to write; a verdict for each commit.
    Idle(Vec<Result<Committed>>),
    /// Nothing was written.
    Undone(Failure),
    /// Nothing was written, and a single commit may be the cause.
    Suspect(Problem),
    /// The write lock was not free in time, so nothing was tried.
    Overdue(Overdue),
    /// The transaction may have been committed.
    Unknown(Failure),
}

const LAND: &str = "write a commit";

impl Outcome {
    /// Classifies a failure before the end of the transaction.
    pub(super) fn of_statement(problem: Problem) -> Self {
        match problem {
            Problem::Driver(failure) if !is_of_one_commit(&failure) => Self::Undone(failure),
            problem => Self::Suspect(problem),
        }
    }

    /// Classifies a failure at the end of the transaction.
    pub(super) fn of_commit(failure: Failure) -> Self {
        match failure.class() {
            Class::Other | Class::Unavailable | Class::Passing | Class::IndexFull => {
                Self::Unknown(failure)
            }
            _ if is_of_one_commit(&failure) => Self::Suspect(failure.into()),
            _ => Self::Undone(failure),
        }
    }

    /// The number of commits that were stored.
    pub(super) fn landed(&self) -> usize {
        match self {
            Self::Landed(verdicts) => verdicts.iter().filter(|verdict| verdict.is_ok()).count(),
            _ => 0,
        }
    }

    /// Returns the result for each commit. A suspect outcome has only one.
    pub(super) fn verdicts(self, database: &str, commits: &[CommitId]) -> Vec<Result<Committed>> {
        let each = commits.iter();
        match self {
            Self::Landed(verdicts) | Self::Idle(verdicts) => verdicts,
            Self::Undone(failure) => each.map(|_| Err(failure.undone(database, LAND))).collect(),
            Self::Suspect(problem) => vec![Err(problem.undone(database, LAND))],
            Self::Overdue(overdue) => each.map(|_| Err(overdue.into())).collect(),
            Self::Unknown(failure) => each.map(|&commit| Err(failure.unknown(commit))).collect(),
        }
    }
}

/// Whether the other commits of a group may succeed without the one that failed.
fn is_of_one_commit(failure: &Failure) -> bool {
    matches!(failure.class(), Class::Constraint | Class::TooBig)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of_commit(code: i32) -> Outcome {
        Outcome::of_commit(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into())
    }

    fn of_statement(code: i32) -> Outcome {
        let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        Outcome::of_statement(failure.into())
    }

    /// A fault of one commit need not affect the others, but a full disk affects them all.
    #[test]
    fn a_statement_failure_is_suspect_only_if_one_commit_can_cause_it() {
        for code in [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_TOOBIG] {
            assert!(matches!(of_statement(code), Outcome::Suspect(_)), "{code}");
            assert!(matches!(of_commit(code), Outcome::Suspect(_)), "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE] {
            assert!(matches!(of_statement(code), Outcome::Undone(_)), "{code}");
        }
        let answer = Outcome::of_statement(Problem::Answer(evercore::Error::Closed));
        assert!(matches!(answer, Outcome::Suspect(_)));
    }

    #[test]
    fn a_failed_commit_is_undone_only_if_no_frame_can_be_recovered() {
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_READONLY] {
            assert!(matches!(of_commit(code), Outcome::Undone(_)), "{code}");
        }
        // After these failures, the commit's frames may be in the write-ahead log, and be recovered after a crash.
        let unknown = [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_IOERR_NOMEM,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_INTERRUPT,
        ];
        for code in unknown {
            assert!(matches!(of_commit(code), Outcome::Unknown(_)), "{code}");
        }
    }
}
