//! A disk that fails, at every write and every sync of every operation that writes.
//!
//! `EVERCORE_EVERY_FAILURE` tries all of them; by default only some are tried.

use evercore::Error;
use rusqlite::ffi::{SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE};

use crate::bank::{Failure, Problem};
use crate::disk::{Fault, Kind};
use crate::operations::{Operation, Trial};

const FAILURES: [(Kind, std::ffi::c_int); 2] =
    [(Kind::Write, SQLITE_IOERR_WRITE), (Kind::Sync, SQLITE_IOERR_FSYNC)];

/// The first few failures are all tried; after them, one in [`STRIDE`].
const ONE_BY_ONE: usize = 4;
const STRIDE: usize = 23;

/// Tries an operation on a disk that fails later each time, until it does not fail any more. Returns the problems, and
/// the number of failures.
async fn with_ever_later_failures(
    operation: Operation,
    kind: Kind,
    code: std::ffi::c_int,
) -> (Vec<Problem>, usize) {
    let is_each = std::env::var_os("EVERCORE_EVERY_FAILURE").is_some();
    let is_few = matches!(operation, Operation::AppendInTwo);
    let stride = if is_each || is_few { 1 } else { STRIDE };
    let (mut found, mut failed) = (Vec::new(), 0);
    let mut after = 0;
    loop {
        let mut trial = Trial::prepare(operation).await;
        trial.disk.fail(Fault::Fails { kind, code, after });
        let done = match operation {
            Operation::Follow => trial.follow_until_it_works().await,
            _ => trial.perform(operation).await,
        };
        let failures = trial.disk.mend();
        match &done {
            Ok(()) => {}
            Err(error) if says_that_it_failed(error) => failed += 1,
            Err(error) => found.push(Problem::Unusable(format!("{operation:?}: {error:?}"))),
        }
        found.extend(trial.look(operation).await);
        if failures == 0 {
            return (found, failed);
        }
        after += if after < ONE_BY_ONE { 1 } else { stride };
    }
}

fn says_that_it_failed(error: &Failure) -> bool {
    match error {
        Failure::Statement(sqlx::Error::Database(error)) => {
            error.message().contains("disk I/O error")
        }
        Failure::Store(Error::Unavailable { .. } | Error::OutcomeUnknown { .. }) => true,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_told_and_leaves_nothing_half_wherever_it_fails() {
    for operation in Operation::ALL {
        let mut all = 0;
        for (kind, code) in FAILURES {
            let (found, failed) = with_ever_later_failures(operation, kind, code).await;
            println!("{operation:?}: {kind:?} failed it {failed} times");
            assert_eq!(found, [], "{operation:?}, {kind:?}");
            all += failed;
        }
        // A log that cannot be copied into the database is kept beside it. A subscription waits until the disk works.
        let is_told = !matches!(operation, Operation::Close | Operation::Follow);
        assert!(all > 0 || !is_told, "{operation:?} never failed");
    }
}

#[tokio::test]
async fn a_write_split_into_two_commits_is_found_torn_after_an_io_failure() {
    let (kind, code) = FAILURES[0];
    let (found, _) = with_ever_later_failures(Operation::AppendInTwo, kind, code).await;
    assert!(found.iter().any(|problem| matches!(problem, Problem::Torn(_))), "{found:?}");
}
