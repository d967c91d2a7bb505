//! Every order in which the steps of two writers and of a reader of the log can follow each other.
//!
//! The functions `append`, `append_one` and `frontier` take these steps in one call each. Here they are statements of
//! their own, on connections of their own; none ever waits for another, so every order can be had on purpose. `whole`
//! holds the functions and their steps together.
//!
//! Not split is the commit, in which the server lets others see the events before it lets go of the floor. And two writers
//! of one aggregate come one after the other, since the second waits for the row; that is among these orders.
//!
//! By default one order of each class is tried. `EVERCORE_INTERLEAVINGS=all` tries every single one, for an hour.

mod schedule;
mod stage;
mod step;
mod whole;

use std::fmt;

use schedule::{Depth, Play, Schedule};
use stage::{Log, Shown, Stage};
use step::Step::{
    self, Announce, Commit, CommitPrepared, Draw, Insert, Lock, Look, Prepare, ReadAll, ReadFloors,
    ReadFloorsOfProcesses, ReadLast, ReadPage, Rollback, RollbackPrepared, TakeSnapshot,
};

/// `all` to try every order.
const DEPTH_VARIABLE: &str = "EVERCORE_INTERLEAVINGS";

/// What a writer does before it ends.
const APPEND: [Step; 5] = [Lock, Look, Announce, Draw, Insert];

/// A look at the log.
const READ: [Step; 3] = [ReadLast, ReadFloors, ReadPage];

/// What came of all the orders.
#[derive(Debug)]
struct Tally {
    tried: usize,
    wrong: Vec<(Schedule, Shown)>,
}

fn depth() -> Depth {
    match std::env::var(DEPTH_VARIABLE).as_deref() {
        Ok("all") => Depth::All,
        Ok(other) => panic!("{DEPTH_VARIABLE} is `all` or not set, and not `{other}`"),
        Err(_) => Depth::Classes,
    }
}

/// A writer that ends so.
fn ends(end: &[Step]) -> Vec<Step> {
    [&APPEND, end].concat()
}

fn play(first: Vec<Step>, second: Vec<Step>, reader: &[Step]) -> Play {
    Play { first, second, reader: reader.to_vec() }
}

async fn tally(stage: &mut Stage, log: Log, play: &Play) -> Tally {
    let schedules = play.schedules(depth());
    let mut tally = Tally { tried: schedules.len(), wrong: Vec::new() };
    for schedule in schedules {
        let shown = stage.perform(&schedule, log).await;
        if shown.seen != shown.committed {
            tally.wrong.push((schedule, shown));
        }
    }
    tally
}

/// In each order, the reader sees what is committed, once and in the order of positions.
async fn assert_all_are_right(database: &str, log: Log, play: &Play) {
    let tally = tally(&mut Stage::new(database).await, log, play).await;
    println!("{database}: {tally}");
    assert_eq!(tally.wrong, []);
}

/// A mistake that the same orders must bring to light.
async fn assert_is_caught(database: &str, name: &str, play: &Play) {
    let tally = tally(&mut Stage::new(database).await, Log::WithEvents, play).await;
    println!("the control, {name}: {tally}");
    assert!(!tally.wrong.is_empty(), "the control, {name}: it is never wrong");
    let skips = |(_, shown): &(Schedule, Shown)| shown.seen.len() < shown.committed.len();
    assert!(tally.wrong.iter().all(skips), "events are skipped, and nothing else is wrong");
}

#[tokio::test]
async fn two_commits() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &READ);
    assert_all_are_right("interleavings_commits", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn the_first_two_commits_of_a_log() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &READ);
    assert_all_are_right("interleavings_first", Log::NeverUsed, &play).await;
}

#[tokio::test]
async fn a_commit_and_a_rollback() {
    let play = play(ends(&[Commit]), ends(&[Rollback]), &READ);
    assert_all_are_right("interleavings_rollback", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn a_prepared_commit_and_a_commit() {
    let play = play(ends(&[Prepare, CommitPrepared]), ends(&[Commit]), &READ);
    assert_all_are_right("interleavings_prepared", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn two_prepared_commits() {
    let prepared = ends(&[Prepare, CommitPrepared]);
    let play = play(prepared.clone(), prepared, &READ);
    assert_all_are_right("interleavings_both_prepared", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn a_prepared_rollback_and_a_commit() {
    let play = play(ends(&[Prepare, RollbackPrepared]), ends(&[Commit]), &READ);
    assert_all_are_right("interleavings_undone", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn two_commits_of_two_events() {
    let both = ends(&[Draw, Insert, Commit]);
    let play = play(both.clone(), both, &READ);
    assert_all_are_right("interleavings_events", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn two_commits_and_a_reader_that_looks_twice() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &[READ, READ].concat());
    assert_all_are_right("interleavings_looks", Log::WithEvents, &play).await;
}

#[tokio::test]
async fn a_reader_that_goes_by_the_highest_position_is_caught() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &[ReadAll]);
    assert_is_caught("interleavings_naive", "a naive cursor", &play).await;
}

/// A statement has one snapshot, taken before it looks at anything.
#[tokio::test]
async fn a_reader_that_does_it_all_in_one_statement_is_caught() {
    let reader = [&[TakeSnapshot], &READ[..]].concat();
    let play = play(ends(&[Commit]), ends(&[Commit]), &reader);
    assert_is_caught("interleavings_statement", "a frontier in one statement", &play).await;
}

#[tokio::test]
async fn a_reader_that_looks_at_floors_first_is_caught() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &[ReadFloors, ReadLast, ReadPage]);
    assert_is_caught("interleavings_swapped", "floors before the last position", &play).await;
}

#[tokio::test]
async fn a_reader_that_forgets_prepared_transactions_is_caught() {
    let reader = [ReadLast, ReadFloorsOfProcesses, ReadPage];
    let play = play(ends(&[Prepare, CommitPrepared]), ends(&[Commit]), &reader);
    assert_is_caught("interleavings_processes", "floors of processes only", &play).await;
}

#[tokio::test]
async fn a_writer_that_announces_after_it_drew_is_caught() {
    let late = vec![Lock, Look, Draw, Announce, Insert, Commit];
    let play = play(late.clone(), late, &READ);
    assert_is_caught("interleavings_late", "a floor after the draw", &play).await;
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} orders are wrong", self.wrong.len(), self.tried)?;
        match self.wrong.first() {
            Some((schedule, shown)) => write!(f, ", the first is {schedule:?}: {shown:?}"),
            None => Ok(()),
        }
    }
}
