//! A full disk, at every step of every operation that writes.
//!
//! `EVERCORE_ROOM` sets the number of bytes by which the room grows from one trial to the next.

use evercore::Error;

use crate::bank::{Failure, Problem};
use crate::disk::Fault;
use crate::operations::{Operation, Trial};

/// About two pages.
const STEP: u64 = 9_000;

/// Tries an operation with more room each time, until it succeeds. Returns the problems, and the number of times that
/// the disk was full.
async fn with_ever_more_room(operation: Operation) -> (Vec<Problem>, usize) {
    let step = std::env::var("EVERCORE_ROOM").ok();
    let step = step.map_or(STEP, |step| step.parse().expect("a number of bytes"));
    let step = if matches!(operation, Operation::AppendMuch) { 4 * step } else { step };
    let (mut found, mut refused) = (Vec::new(), 0);
    for room in (0..).map(|number| number * step) {
        let mut trial = Trial::prepare(operation).await;
        trial.disk.fail(Fault::Room(room));
        let done = match operation {
            Operation::Follow => trial.follow_until_it_works().await,
            _ => trial.perform(operation).await,
        };
        let failures = trial.disk.mend();
        match &done {
            Ok(()) => {}
            Err(error) if says_that_it_is_full(error) => refused += 1,
            Err(error) => found.push(Problem::Unusable(format!("{operation:?}: {error:?}"))),
        }
        found.extend(trial.look(operation).await);
        if failures == 0 {
            break;
        }
    }
    (found, refused)
}

pub(crate) fn says_that_it_is_full(error: &Failure) -> bool {
    const FULL: &str = "13";
    match error {
        Failure::Statement(sqlx::Error::Database(error)) => error.code().as_deref() == Some(FULL),
        Failure::Store(Error::DiskFull { .. }) => true,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing_half_wherever_it_is_met() {
    for operation in Operation::ALL {
        let (found, refused) = with_ever_more_room(operation).await;
        println!("{operation:?}: refused {refused} times");
        assert_eq!(found, [], "{operation:?}");
        // A log that cannot be copied into the database is kept beside it. A subscription waits for room.
        let is_refused = !matches!(operation, Operation::Close | Operation::Follow);
        assert!(refused > 0 || !is_refused, "{operation:?} never met the full disk");
    }
}

#[tokio::test]
async fn a_write_split_into_two_commits_is_found_torn() {
    let (found, _) = with_ever_more_room(Operation::AppendInTwo).await;
    assert!(found.iter().any(|problem| matches!(problem, Problem::Torn(_))), "{found:?}");
}

#[tokio::test]
async fn the_error_says_what_to_do_and_that_it_can_be_retried() {
    let mut trial = Trial::prepare(Operation::Append).await;
    trial.disk.fail(Fault::Room(0));
    let refused = trial.perform(Operation::Append).await.expect_err("there is no room");
    let Failure::Store(refused) = refused else { panic!("{refused:?}") };
    assert!(refused.is_retryable());
    assert!(refused.to_string().contains("free some space, then retry"), "{refused}");
    // Reads continue to work.
    let page = trial.store().read_log(evercore::Position::START, 10).await.expect("a page");
    assert_eq!(page.events.len(), 6);
    trial.disk.mend();
    trial.perform(Operation::Append).await.expect("there is room again");
}
