//! The commits of a worker's tasks are under way at the same time, beside the handlers of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use evercore::engine::{Commit, StorageEngine};
use evercore::task::{Claimed, Handlers, TaskError};
use evercore::{Committed, Error, EventStore, Result, task};
use evercore_conformance::Harness;
use evercore_memory::MemoryEngine;
use tokio::task::yield_now;

use crate::engine::{Fault, Faulty};

/// The turns that other tasks of the runtime have during a handler, and during a commit.
const HANDLER: usize = 20;
const COMMIT: usize = 400;

#[task(queue = "errands")]
struct Errand {}

/// Counts what is under way at the same time.
#[derive(Clone, Debug, Default)]
struct Gauge(Arc<[AtomicUsize; 2]>);

impl Gauge {
    async fn during(&self, turns: usize) {
        let [now, most] = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..turns {
            yield_now().await;
        }
        now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

/// Counts the commits that complete tasks.
#[derive(Debug)]
struct CountsCommits(Gauge);

#[async_trait]
impl Fault for CountsCommits {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        if !commit.completes.is_empty() {
            self.0.during(COMMIT).await;
        }
        engine.commit(commit).await
    }
}

/// Has a worker do 16 tasks. Returns the most handlers and the most commits that were under way at the same time.
async fn under_way(concurrency: u32) -> Result<(usize, usize)> {
    let (handlers, commits) = (Gauge::default(), Gauge::default());
    let engine = Faulty::new(CountsCommits(commits.clone())).open().await?;
    let store = EventStore::builder().open_shared(engine).await?;
    store
        .with_context(async |ctx| {
            (0..16).try_for_each(|_| ctx.enqueue(Errand {}).map(drop))?;
            Ok::<_, Error>(())
        })
        .await?;
    let counts = handlers.clone();
    let handler = Handlers::new().on(async move |_: Claimed<Errand>| -> Result<(), TaskError> {
        counts.during(HANDLER).await;
        Ok(())
    });
    let worker = store.queue("errands").concurrency(concurrency).spawn(handler)?;
    store.queues().wait_until_idle("errands").await?;
    worker.shutdown().await?;
    Ok((handlers.most(), commits.most()))
}

#[tokio::test]
async fn handlers_run_while_tasks_are_committed() -> Result<()> {
    let (handlers, commits) = under_way(4).await?;
    assert_eq!(handlers, 4);
    assert!(commits > 4, "{commits} commits at the same time");
    Ok(())
}

#[tokio::test]
async fn a_worker_of_one_task_ends_it_before_the_next() -> Result<()> {
    assert_eq!(under_way(1).await?, (1, 1));
    Ok(())
}
