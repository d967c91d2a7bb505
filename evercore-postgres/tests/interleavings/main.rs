//! Tries every order in which the steps of two writers and a reader of the log can follow each other.
//!
//! The functions `append`, `append_one` and `frontier` take these steps in one call each. Here each step is a statement
//! on the connection of its actor. No step waits for another actor, so every order can be produced on purpose. The
//! module `whole` checks that the functions take the same steps.
//!
//! The commit is not split: in it, the server first makes the events visible and then releases the floor. Two writers
//! of the same aggregate run one after the other, because the second one waits for the row; that order is among the
//! tried ones.
//!
//! By default, one order of each equivalence class is tried. `EVERCORE_INTERLEAVINGS=all` tries every order, which
//! takes an hour.

mod decisions;
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

/// Set to `all` to try every order.
const DEPTH_VARIABLE: &str = "EVERCORE_INTERLEAVINGS";

/// The steps of a writer before it ends.
const APPEND: [Step; 5] = [Lock, Look, Announce, Draw, Insert];

/// The steps of a reader for one page.
const READ: [Step; 3] = [ReadLast, ReadFloors, ReadPage];

/// The results of all orders.
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

/// Returns the steps of a writer that ends in this way.
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

/// Asserts that in each order the reader sees the committed events, each once and in the order of their positions.
async fn assert_all_are_right(database: &str, log: Log, play: &Play) {
    let tally = tally(&mut Stage::new(database).await, log, play).await;
    println!("{database}: {tally}");
    assert_eq!(tally.wrong, []);
}

/// Asserts that the same orders reveal a faulty play.
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
async fn a_reader_that_uses_the_highest_position_is_caught() {
    let play = play(ends(&[Commit]), ends(&[Commit]), &[ReadAll]);
    assert_is_caught("interleavings_naive", "a naive cursor", &play).await;
}

/// A statement has one snapshot, which is taken before it reads anything.
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
