//! Decisions that rest on a tag: in every order in which the steps of three writers can follow each other, a decision
//! that lands has seen all events with the tag that lie before its own in the log.
//!
//! The steps that other tests take one at a time, the look at the frontier and the announcement of a floor, are one call
//! here. An order in which a step would wait for a lock is left out: the step is then taken later, as in another order.

use std::fmt;

use crate::schedule::{Play, Schedule};
use crate::stage::{Decided, Stage};
use crate::step::Step::{
    self, AnnounceFloor, Check, Commit, Draw, DrawBeside, InsertBeside, InsertTagged, LockBoundary,
    LockBoundaryShared, LockNothing, LockTag, ReadFrontier, ReadTagged, TakeHighest,
};
use crate::{depth, play};

/// The steps of a writer that decides on nothing.
const WRITE: [Step; 5] = [LockTag, AnnounceFloor, Draw, InsertTagged, Commit];

/// The steps of a decider.
const DECIDE: [Step; 8] =
    [ReadFrontier, ReadTagged, LockBoundary, Check, AnnounceFloor, Draw, InsertTagged, Commit];

/// The end of a group of two commits with the tag, a decision and one that decides on nothing.
const INSERT_BOTH: [Step; 5] = [Draw, InsertTagged, DrawBeside, InsertBeside, Commit];

/// The same as a fault: the second commit of the group is stored before the decision, and after its check.
const INSERT_BOTH_SWAPPED: [Step; 5] = [DrawBeside, InsertBeside, Draw, InsertTagged, Commit];

/// The results of all orders.
#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    landed: usize,
    refused: usize,
    stale: Vec<(Schedule, Decided)>,
}

async fn tally(database: &str, play: &Play) -> Tally {
    let mut stage = Stage::new(database).await;
    let mut tally = Tally::default();
    for schedule in play.schedules(depth()) {
        tally.tried += 1;
        for decided in stage.decide(&schedule).await {
            match decided {
                Some(decided) => {
                    tally.landed += 1;
                    if decided.read != decided.before {
                        tally.stale.push((schedule.clone(), decided));
                    }
                }
                None => tally.refused += 1,
            }
        }
    }
    println!("{database}: {tally}");
    tally
}

/// Asserts that in each order no decision that lands is stale, and that some land and some are refused.
async fn assert_all_are_exact(database: &str, play: &Play) {
    let tally = tally(database, play).await;
    assert_eq!(tally.stale, []);
    assert!(tally.landed > 0 && tally.refused > 0, "{tally}");
}

/// Asserts that the same orders reveal a fault.
async fn assert_is_caught(database: &str, play: &Play) {
    let tally = tally(database, play).await;
    assert!(!tally.stale.is_empty(), "the control {database}: {tally}");
}

/// Returns the steps of a decider with one of them replaced.
fn with(step: Step, fault: &[Step]) -> Vec<Step> {
    DECIDE.iter().flat_map(|own| if *own == step { fault.to_vec() } else { vec![*own] }).collect()
}

#[tokio::test]
async fn a_decision_beside_two_writers() {
    let play = play(WRITE.into(), WRITE.into(), &DECIDE);
    assert_all_are_exact("interleavings_decision", &play).await;
}

#[tokio::test]
async fn two_decisions_beside_a_writer() {
    let play = play(WRITE.into(), DECIDE.into(), &DECIDE);
    assert_all_are_exact("interleavings_decisions", &play).await;
}

#[tokio::test]
async fn a_decision_grouped_with_a_writer_beside_another_of_each() {
    let group = [&DECIDE[..5], &INSERT_BOTH].concat();
    assert_all_are_exact("interleavings_group", &play(WRITE.into(), group, &DECIDE)).await;
}

#[tokio::test]
async fn a_decision_grouped_behind_a_writer_is_caught() {
    let group = [&DECIDE[..5], &INSERT_BOTH_SWAPPED].concat();
    assert_is_caught("interleavings_swapped_group", &play(Vec::new(), group, &DECIDE)).await;
}

#[tokio::test]
async fn a_decision_after_the_highest_position_is_caught() {
    let decide = with(ReadTagged, &[ReadTagged, TakeHighest]);
    assert_is_caught("interleavings_highest", &play(WRITE.into(), WRITE.into(), &decide)).await;
}

#[tokio::test]
async fn a_decision_without_a_lock_is_caught() {
    let decide = with(LockBoundary, &[LockNothing]);
    assert_is_caught("interleavings_unlocked", &play(WRITE.into(), WRITE.into(), &decide)).await;
}

#[tokio::test]
async fn two_decisions_behind_shared_locks_are_caught() {
    let decide = with(LockBoundary, &[LockBoundaryShared]);
    assert_is_caught("interleavings_shared", &play(Vec::new(), decide.clone(), &decide)).await;
}

#[tokio::test]
async fn a_check_before_the_lock_is_caught() {
    let early =
        [ReadFrontier, ReadTagged, Check, LockBoundary, AnnounceFloor, Draw, InsertTagged, Commit];
    assert_is_caught("interleavings_early", &play(WRITE.into(), WRITE.into(), &early)).await;
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, landed, refused, stale } = self;
        write!(
            f,
            "{tried} orders, {landed} decisions land and {refused} are refused, {} are stale",
            stale.len()
        )?;
        match stale.first() {
            Some((schedule, decided)) => write!(f, ", the first in {schedule:?}: {decided:?}"),
            None => Ok(()),
        }
    }
}
