//! Does the tasks of a storm, with workers that are killed and leases that end early.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evercore::chrono::{TimeDelta, Utc};
use evercore::engine::{
    StorageEngine, StoredPlace, StoredTask, StoredTasks, TaskLease, TasksRequest,
};
use evercore::task::{Claimed, Handlers, QueueBuilder, TaskError, Work};
use evercore::{Context, EventStore, HandlerRetry, Result};
use fastrand::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Shared, delay};
use crate::domain::counter::{Added, Counter};
use crate::domain::errands::{Add, QUEUE, queue};

/// The lease of a worker, after which the tasks of a killed worker are given to another one.
const LEASE: Duration = Duration::from_millis(200);

/// The time after which a worker is killed, in milliseconds.
const LIVES: std::ops::Range<u64> = 5..60;

/// The interval at which a lease is ended.
const ROBBED_EVERY: Duration = Duration::from_millis(4);

/// The number of tasks among which a lease is chosen.
const LOOKED_AT: u32 = 50;

/// The difference between the clocks of a database and of this process that a task may begin early by: an engine may
/// round its times to milliseconds.
const ROUNDED: TimeDelta = TimeDelta::milliseconds(1);

/// A worker that is killed and started again.
pub(super) struct Worker {
    store: EventStore,
    shared: Arc<Shared>,
    random: Rng,
}

/// Ends leases while their workers are at work, as if these had been suspended for too long.
pub(super) struct Robber {
    engine: Arc<dyn StorageEngine>,
    shared: Arc<Shared>,
    random: Rng,
}

/// Adds the number of the task to a counter.
struct Adds(Arc<Shared>);

impl Worker {
    pub(super) fn new(store: EventStore, shared: &Arc<Shared>, random: Rng) -> Self {
        Self { store, shared: Arc::clone(shared), random }
    }

    pub(super) async fn run(mut self, ended: CancellationToken) -> Result<()> {
        while !ended.is_cancelled() {
            let handlers = Handlers::new().work::<Add>(Adds(Arc::clone(&self.shared)));
            let lives = sleep(Duration::from_millis(self.random.u64(LIVES)));
            tokio::select! {
                ended = self.queue().run(handlers) => return ended,
                () = lives => self.shared.kills.fetch_add(1, Ordering::Relaxed),
            };
        }
        Ok(())
    }

    fn queue(&self) -> QueueBuilder {
        let retry = HandlerRetry::default().attempts(1_000);
        let retry = retry.base(Duration::from_millis(2)).longest(Duration::from_millis(4));
        let queue = self.store.queue(QUEUE).concurrency(3).lease(LEASE).retry(retry);
        queue.poll_interval(Duration::from_millis(20))
    }
}

impl Work<Add> for Adds {
    async fn work(&self, ctx: &mut Context, task: &Claimed<Add>) -> Result<(), TaskError> {
        let Self(shared) = self;
        shared.attempts.fetch_add(1, Ordering::Relaxed);
        let number = u64::try_from(task.by).expect("BUG: numbers are positive");
        let due = task.enqueued_at() + delay(number);
        if Utc::now() + ROUNDED < due {
            shared.early.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        let mut counter = ctx.load::<Counter>(task.counter).await?;
        // Gives leases time to end.
        sleep(Duration::from_millis(number % 3)).await;
        Ok(ctx.apply(&mut counter, Added { by: task.by })?)
    }
}

impl Robber {
    pub(super) fn new(engine: Arc<dyn StorageEngine>, shared: &Arc<Shared>, random: Rng) -> Self {
        Self { engine, shared: Arc::clone(shared), random }
    }

    pub(super) async fn run(mut self, ended: CancellationToken) -> Result<()> {
        while !ended.is_cancelled() {
            let leases = leases(&*self.engine).await?;
            if let Some(index) = self.random.usize(..).checked_rem(leases.len()) {
                self.end(&leases[index..=index]).await?;
            }
            sleep(ROBBED_EVERY).await;
        }
        Ok(())
    }

    async fn end(&mut self, leases: &[TaskLease]) -> Result<()> {
        let tasks = self.engine.tasks().expect("the engine has declared tasks");
        if self.random.bool() {
            tasks.release(leases).await?;
        } else {
            tasks.renew(leases, Duration::ZERO).await?;
        }
        self.shared.lost_leases.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns leases under which tasks are claimed.
async fn leases(engine: &dyn StorageEngine) -> Result<Vec<TaskLease>> {
    let tasks = engine.tasks().expect("the engine has declared tasks");
    let request = TasksRequest {
        queue: queue(),
        which: StoredTasks::Live,
        key: None,
        after: None,
        limit: LOOKED_AT,
    };
    let lease_of = |task: StoredTask| match task.place {
        StoredPlace::Claimed { token, .. } => {
            Some(TaskLease { queue: task.queue, id: task.id, token })
        }
        _ => None,
    };
    Ok(tasks.tasks(&request).await?.into_iter().filter_map(lease_of).collect())
}
