//! Whether a claim takes longer with many tasks that are not due, and after many that are done.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use evercore::EventStore;
use evercore::engine::{
    ClaimRequest, StorageEngine, StoredPlace, StoredTask, TaskLease, TaskStorage,
};
use evercore::task::{Claimed, Handlers, QueueName, Task};

use super::{AT_ONCE, MakeDeposit, QUEUE, enqueue_many, new_contest};
use crate::contest::{Contest, Plan, Row};
use crate::crew::{Crew, Step, Worker};
use crate::engines::{Bed, Ground};

/// The number of tasks that are due, on every side.
const DUE: usize = 1_000;

/// The number of tasks of a claim.
const CLAIM: u32 = 50;

/// The tasks that are done at the same time before the measurement.
const CONCURRENCY: u32 = 256;

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Fills three stores, and compares claims in them. A claim is given back at once, so that as many tasks stay due.
pub(in crate::workloads) async fn grown(
    bed: &Bed,
    tasks: i64,
    plan: &Plan,
) -> anyhow::Result<Vec<Row>> {
    let tasks = usize::try_from(tasks)?;
    let few = bed.ground().await?;
    enqueue_many(&few.store().await?, DUE).await?;

    let scheduled = bed.ground().await?;
    let store = scheduled.store().await?;
    schedule_many(&store, tasks).await?;
    enqueue_many(&store, DUE).await?;

    let done = bed.ground().await?;
    let store = done.store().await?;
    do_many(&store, tasks).await?;
    enqueue_many(&store, DUE).await?;
    eprintln!("the queues are filled");

    let case = format!("claim {CLAIM} of {DUE} that are due, and give them back");
    let contest: Contest = new_contest("W14", case, &few, "claims")
        .side("evercore, no other tasks", claimer(&few).await?)
        .side(format!("evercore, beside {tasks} that are scheduled"), claimer(&scheduled).await?)
        .side(format!("evercore, after {tasks} that are done"), claimer(&done).await?);
    contest.run(plan).await
}

async fn schedule_many(store: &EventStore, tasks: usize) -> anyhow::Result<()> {
    for _ in 0..tasks.div_ceil(AT_ONCE) {
        store
            .with_context(async |ctx| {
                (0..AT_ONCE).try_for_each(|_| {
                    ctx.enqueue(Task::new(MakeDeposit::of(2)).after(A_YEAR)).map(drop)
                })
            })
            .await?;
    }
    Ok(())
}

/// Enqueues tasks and does them, a part at a time, as a queue that is kept short.
async fn do_many(store: &EventStore, tasks: usize) -> anyhow::Result<()> {
    let handlers = Handlers::new().on(async |_: Claimed<MakeDeposit>| Ok::<_, Infallible>(()));
    let worker = store.queue(QUEUE).concurrency(CONCURRENCY).spawn(handlers)?;
    for part in 0..tasks.div_ceil(AT_ONCE) {
        enqueue_many(store, AT_ONCE).await?;
        if part % 10 == 9 {
            store.queues().wait_until_idle(QUEUE).await?;
        }
    }
    store.queues().wait_until_idle(QUEUE).await?;
    worker.shutdown().await.context("a worker")
}

async fn claimer(ground: &Ground) -> anyhow::Result<Crew<Claimer>> {
    let request = ClaimRequest {
        queue: QueueName::new(QUEUE)?,
        owner: "a worker".to_owned(),
        lease: Duration::from_secs(30),
        limit: CLAIM,
    };
    Ok(Crew::alone(Claimer { engine: ground.engine().await?, request }))
}

struct Claimer {
    engine: Arc<dyn StorageEngine>,
    request: ClaimRequest,
}

impl Worker for Claimer {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let tasks: &dyn TaskStorage = self.engine.tasks().context("an engine with tasks")?;
        let claimed = tasks.claim(&self.request).await?.tasks;
        let leases: Vec<_> = claimed.iter().filter_map(lease_of).collect();
        anyhow::ensure!(leases.len() == usize::try_from(CLAIM)?, "only {} were due", leases.len());
        tasks.release(&leases).await?;
        Ok(Step::ONE)
    }
}

fn lease_of(task: &StoredTask) -> Option<TaskLease> {
    match task.place {
        StoredPlace::Claimed { token, .. } => {
            Some(TaskLease { queue: task.queue.clone(), id: task.id, token })
        }
        _ => None,
    }
}
