//! Readers of the log under many writers see all committed events, once and in order. Two controls read as well. How
//! much they miss depends on the machine; `tests/interleavings` shows that they do miss events.
//!
//! `EVERCORE_SOAK_SECONDS` makes the run longer. The throughput of the writers is measured separately:
//! `cargo test -p evercore-postgres --release --test ordering -- --ignored --nocapture`.

mod log;
mod positions;
mod readers;
mod throughput;
mod writers;

use std::time::Duration;

use log::Log;
use readers::{Frontier, Naive, OneStatement, Reading};
use writers::Writers;

/// The environment variable that sets the duration of the run.
const SECONDS_VARIABLE: &str = "EVERCORE_SOAK_SECONDS";

fn duration() -> Duration {
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(3, |seconds| {
        seconds.parse().unwrap_or_else(|_| panic!("{SECONDS_VARIABLE} is a number of seconds"))
    });
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_skipped_behind_24_writers() {
    let log = Log::new("ordering_soak").await;
    let writers = Writers::start(&log, duration()).await;
    let frontier = Reading::start(Frontier::open(&log).await);
    let naive = Reading::start(Naive::open(&log).await);
    let one_statement = Reading::start(OneStatement::open(&log).await);

    let written = writers.finish().await;
    let committed = log.committed().await;
    let frontier = frontier.finish(&committed).await;
    let naive = naive.finish(&committed).await;
    let one_statement = one_statement.finish(&committed).await;

    println!("{written}");
    println!("{} events committed of {} positions drawn", committed.len(), log.drawn().await);
    println!("the frontier reader {frontier}");
    println!("the naive control {naive}");
    println!("the one-statement control {one_statement}");

    assert_eq!(frontier.seen, committed, "each committed event once, in the order of positions");
    assert_eq!(log.aggregates_with_holes().await, 0, "sequences are 1, 2, 3 …");
}
