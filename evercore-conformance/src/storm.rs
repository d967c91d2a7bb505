//! Lets writers enqueue tasks beside workers that are killed and lose their leases, and judges the log afterwards.
//!
//! Each task has a number. A commit that enqueues the task together with an event writes the number as a
//! [`Counted`](crate::domain::tally::Counted), and a commit that completes it as an
//! [`Added`](crate::domain::counter::Added), so the log shows which tasks were enqueued, and how often each took effect.

mod judge;
mod workers;
mod writers;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::{AggregateId, Result};
use tokio_util::sync::CancellationToken;

pub(crate) use judge::Judged;

use crate::case::number;
use crate::domain::counter;
use crate::domain::errands::QUEUE;
use crate::fixture::Fixture;
use crate::journal::until_true;

/// The environment variable that sets the number of tasks.
const TASKS_VARIABLE: &str = "EVERCORE_TASKS";

/// The number of tasks, unless the variable is set.
const TASKS: u64 = 288;

/// Far longer than a task takes, on a slow disk.
const LONGEST: Duration = Duration::from_millis(100);

/// The number of counters that the tasks add to: few, so that workers conflict.
const COUNTERS: usize = 4;

/// The writers and the workers, over two engines.
const WRITERS: u64 = 24;
const WORKERS: usize = 8;

/// The state that writers and workers share.
#[derive(Debug, Default)]
struct Shared {
    counters: Vec<AggregateId>,
    /// The numbers of the tasks that a commit without an event has enqueued.
    enqueued: Mutex<Vec<u64>>,
    /// The numbers of the tasks that began before their time.
    early: Mutex<Vec<u64>>,
    attempts: AtomicUsize,
    kills: AtomicUsize,
    lost_leases: AtomicUsize,
}

/// Returns the number of tasks of a storm.
fn tasks() -> u64 {
    number(TASKS_VARIABLE).unwrap_or(TASKS)
}

/// Returns the time that a storm may take.
pub(crate) fn time_limit() -> Duration {
    LONGEST * u32::try_from(tasks()).unwrap_or(u32::MAX)
}

/// Returns the time before which the task with this number does not begin, counted from its commit.
fn delay(number: u64) -> Duration {
    Duration::from_millis(if number.is_multiple_of(4) { 40 } else { 0 })
}

/// Runs a storm until the queue is empty, and judges it.
pub(crate) async fn run(fixture: &Fixture) -> Result<Judged> {
    let store = fixture.store();
    let mut shared = Shared::default();
    for _ in 0..COUNTERS {
        shared.counters.push(counter::create(store, 0).await?);
    }
    let shared = Arc::new(shared);
    let stores = [store.clone(), fixture.neighbour().await?];
    let (ended, mut random) = (CancellationToken::new(), fixture.random());
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        let worker = workers::Worker::new(stores[index % 2].clone(), &shared, random.fork());
        workers.push(tokio::spawn(worker.run(ended.clone())));
    }
    let robber = workers::Robber::new(fixture.shared_engine(), &shared, random.fork());
    workers.push(tokio::spawn(robber.run(ended.clone())));
    writers::run(&stores, &shared, &mut random).await?;
    until_true(async || {
        let left = store.queues().get(QUEUE).await?;
        Ok(left.due + left.scheduled + left.running == 0)
    })
    .await?;
    ended.cancel();
    for worker in workers {
        worker.await.expect("a worker panicked")?;
    }
    Judged::read(fixture, &shared).await
}
