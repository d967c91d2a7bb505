//! W12: the cost of metrics, in processor time: the same work with the observer of `evercore-web` and without one, on the
//! engine in memory, where nothing else takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evercore::{Batch, Error, EventStore, Start};
use evercore_memory::MemoryEngine;
use evercore_web::Metrics;
use tokio::sync::Notify;

use super::deciding::{COMMITS_OF_AN_ACCOUNT, deposit};
use super::in_memory::open;
use crate::contest::{Contest, Plan, Row, Side};
use crate::cpu::{Meter, Server};
use crate::crew::{Crew, Step, Worker};
use crate::sample::Worked;

/// The number of commits or events between two readings of the clock.
const PIECES: i64 = 1_000;

/// The number of events that a follower handles in a step.
const EVENTS: usize = 1_000;

/// The number of steps after which a log is discarded.
const STEPS_OF_A_LOG: u32 = 50;

pub(super) async fn run(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let contest = |case| Contest::new("W12", case, "memory", "per CPU second", Server::None);
    rows.extend(
        contest("commit one event")
            .side("no observer", Clocked::new(Appender::new(None).await?))
            .side("metrics", Clocked::new(Appender::new(Some(Metrics::new())).await?))
            .run(plan)
            .await?,
    );
    rows.extend(
        contest("load, decide, commit")
            .side("no observer", Clocked::new(Depositor::new(None).await?))
            .side("metrics", Clocked::new(Depositor::new(Some(Metrics::new())).await?))
            .run(plan)
            .await?,
    );
    for (case, batch) in [("handle events, one by one", 1), ("handle events, 100 in a batch", 100)]
    {
        rows.extend(
            contest(case)
                .side("no observer", Clocked::new(Follower::new(None, batch).await?))
                .side("metrics", Clocked::new(Follower::new(Some(Metrics::new()), batch).await?))
                .run(plan)
                .await?,
        );
    }
    Ok(rows)
}

/// Measures by the processor time of the program: a second of a round is a second of it.
struct Clocked<W>(Crew<W>);

impl<W: Worker> Clocked<W> {
    fn new(worker: W) -> Self {
        Self(Crew::alone(worker))
    }
}

#[async_trait]
impl<W: Worker> Side for Clocked<W> {
    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        let meter = Meter::start(Server::None);
        let worked = self.0.work(time).await?;
        Ok(Worked { elapsed: meter.stop().client, ..worked })
    }
}

async fn store(metrics: Option<&Metrics>) -> Result<EventStore, Error> {
    let builder = EventStore::builder();
    let builder = match metrics {
        Some(metrics) => builder.observer(metrics.clone()),
        None => builder,
    };
    let store = builder.open(MemoryEngine::new()).await?;
    store.warmup().await?;
    Ok(store)
}

/// Commits new accounts, with an event each.
struct Appender {
    metrics: Option<Metrics>,
    store: EventStore,
    steps: u32,
}

/// Loads accounts with up to 20 events, and commits the next event of each.
struct Depositor(Appender);

/// Gives a log to a handler that does nothing, as often as there is time.
struct Follower {
    store: EventStore,
    batch: u32,
}

impl Appender {
    async fn new(metrics: Option<Metrics>) -> anyhow::Result<Self> {
        let store = store(metrics.as_ref()).await?;
        Ok(Self { metrics, store, steps: 0 })
    }

    async fn next_step(&mut self) -> anyhow::Result<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_OF_A_LOG) {
            self.store = store(self.metrics.as_ref()).await?;
        }
        Ok(())
    }
}

impl Depositor {
    async fn new(metrics: Option<Metrics>) -> anyhow::Result<Self> {
        Appender::new(metrics).await.map(Self)
    }
}

impl Follower {
    async fn new(metrics: Option<Metrics>, batch: u32) -> anyhow::Result<Self> {
        let store = store(metrics.as_ref()).await?;
        for _ in 0..EVENTS {
            open(&store, 1).await?;
        }
        Ok(Self { store, batch })
    }
}

impl Worker for Appender {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.next_step().await?;
        for _ in 0..PIECES {
            open(&self.store, 1).await?;
        }
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Depositor {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.0.next_step().await?;
        let store = &self.0.store;
        for _ in 0..PIECES / COMMITS_OF_AN_ACCOUNT {
            let id = open(store, 1).await?;
            for _ in 1..COMMITS_OF_AN_ACCOUNT {
                deposit(store, id).await?;
            }
        }
        Ok(Step::units(PIECES.unsigned_abs()))
    }
}

impl Worker for Follower {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let subscription = self.store.subscription("bench").start(Start::Beginning);
        let (left, done) = (Arc::new(AtomicUsize::new(EVENTS)), Arc::new(Notify::new()));
        let handler = {
            let done = Arc::clone(&done);
            async move |batch: Batch| {
                if left.fetch_sub(batch.len(), Ordering::Relaxed) == batch.len() {
                    done.notify_one();
                }
                Ok::<_, Error>(())
            }
        };
        let worker = subscription.batch_size(self.batch).spawn(handler)?;
        done.notified().await;
        worker.shutdown().await?;
        self.store.subscriptions().delete("bench").await?;
        Ok(Step::units(EVENTS as u64))
    }
}
