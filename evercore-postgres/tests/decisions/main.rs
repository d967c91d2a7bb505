//! Decisions that rest on tags are exact in the order of the log: each has seen all matching events that lie before its
//! own, also while other clients write what it rests on and commits are slow. Each event holds how many matching events
//! its decision has seen, and is compared with the log afterwards.
//!
//! Three controls with known faults run in the same crowd, until one of their decisions is stale. A further crowd takes
//! single seats.
//!
//! `EVERCORE_DECISIONS` sets the number of decisions that land in each run. The long form:
//! `EVERCORE_DECISIONS=20000 cargo test -p evercore-postgres --release --test decisions -- --nocapture --test-threads=1`.

mod courses;
mod crowd;
mod faults;
mod judge;
mod race;

use crowd::{Crowd, Schema};
use faults::Fault;
use judge::Judged;

/// The environment variable that sets the number of decisions.
const DECISIONS_VARIABLE: &str = "EVERCORE_DECISIONS";

/// A control goes on without a stale decision for at most this many times the number of decisions.
const PATIENCE: usize = 20;

fn decisions() -> usize {
    std::env::var(DECISIONS_VARIABLE).map_or(500, |decisions| {
        decisions
            .parse()
            .unwrap_or_else(|_| panic!("{DECISIONS_VARIABLE} is a number of decisions"))
    })
}

/// Asserts that decisions with this fault are stale now and then. They overfill courses if they write without a check.
async fn assert_is_caught(schema: &'static str, fault: Fault) {
    let schema = Schema::new(schema, fault).await;
    let crowd = Crowd::start(&schema).await;
    let judged = crowd
        .stop_when(async |landed| {
            landed >= PATIENCE * decisions()
                || landed >= decisions() && Judged::read(&schema).await.stale > 0
        })
        .await;
    println!("{fault:?}: {judged}");
    assert!(judged.stale > 0, "the control {fault:?}: {judged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_decision_is_stale_beside_slow_and_unconditional_writers() {
    let schema = Schema::new("decisions", Fault::None).await;
    let crowd = Crowd::start(&schema).await;
    let judged = crowd.stop_when(async |landed| landed >= decisions()).await;
    println!("ours: {judged}");
    assert_eq!((judged.stale, judged.overfilled), (0, 0), "{judged}");
    assert!(judged.forced > 0 && judged.conflicts > 0, "they meet: {judged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_seat_is_taken_once() {
    let schema = Schema::new("single_seats", Fault::None).await;
    let overfilled = race::overfilled(&schema, decisions()).await;
    println!("ours: {overfilled} of {} courses with one seat are overfilled", decisions());
    assert_eq!(overfilled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_seats_without_locks_are_caught() {
    let schema = Schema::new("single_seats_without_locks", Fault::NoLocks).await;
    let overfilled = race::overfilled(&schema, decisions()).await;
    println!("NoLocks: {overfilled} of {} courses with one seat are overfilled", decisions());
    assert!(overfilled > 0, "the control");
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_without_locks_are_caught() {
    assert_is_caught("decisions_without_locks", Fault::NoLocks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_after_the_highest_position_are_caught() {
    assert_is_caught("decisions_after_the_highest", Fault::HighestPosition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontier_that_is_later_than_the_events_is_caught() {
    assert_is_caught("decisions_with_a_late_frontier", Fault::LateFrontier).await;
}
