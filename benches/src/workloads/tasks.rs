//! W14: tasks that are enqueued with commits, and workers that do them.

mod by_hand;
mod grown;
mod latency;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use evercore::task::{Claimed, Handlers, TaskError, Work};
use evercore::{Context, EventStore, task};
use tokio::time::sleep;

use super::deciding::Teller;
use super::{EVERCORE, contest as new_contest};
use crate::contest::{Contest, Side};
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited};
use crate::engines::{Bed, Kind};
use crate::sample::Worked;

pub(super) use grown::grown;
pub(crate) use latency::run as latencies;

/// The queue of all tasks of the benchmark.
const QUEUE: &str = "deposits";

/// The tasks that a worker does at the same time.
const WORKERS: u32 = 16;

/// The number of tasks that one commit enqueues before a round.
const AT_ONCE: usize = 1_000;

/// The number of tasks beyond which a side is not filled further. A worker that has fewer than it can do in a round is an
/// error.
const FULL: usize = 60_000;

/// Makes a deposit to a new account, of about 120 bytes of JSON.
#[task(queue = "deposits", name = "make-deposit")]
struct MakeDeposit {
    amount: i64,
    currency: String,
    reference: String,
    note: String,
}

impl MakeDeposit {
    fn of(amount: i64) -> Self {
        let MoneyDeposited { amount, currency, reference, note } = MoneyDeposited::of(amount);
        Self { amount, currency, reference, note }
    }

    fn event(&self) -> MoneyDeposited {
        let Self { amount, currency, reference, note } = self;
        let (currency, reference, note) = (currency.clone(), reference.clone(), note.clone());
        MoneyDeposited { amount: *amount, currency, reference, note }
    }
}

/// Commits of one event, with a task and without.
pub(super) async fn enqueueing(bed: &Bed, tasks: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let crew = |has_task| {
        let store = store.clone();
        Crew::of((0..tasks).map(move |_| Buyer { store: store.clone(), has_task }))
    };
    Ok(new_contest("W14", format!("enqueue, {tasks} tasks"), &ground, "commits")
        .side("evercore, an event", crew(false))
        .side("evercore, an event and a task", crew(true)))
}

struct Buyer {
    store: EventStore,
    has_task: bool,
}

impl Worker for Buyer {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let has_task = self.has_task;
        self.store
            .with_context(async |ctx| {
                let mut account = ctx.create::<Account>().await?;
                ctx.apply(&mut account, MoneyDeposited::of(1))?;
                if has_task {
                    ctx.enqueue(MakeDeposit::of(2))?;
                }
                Ok::<_, evercore::Error>(())
            })
            .await?;
        Ok(Step::ONE)
    }
}

/// Tiny tasks, each completed with one event on a new account. On PostgreSQL beside a queue by hand, which claims one row
/// at a time; elsewhere beside as many tasks that load, decide and commit, as in W2.
pub(super) async fn working(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let case = format!("done with one event each, {WORKERS} at a time");
    let contest = new_contest("W14", case, &ground, "tasks");
    let ours = Workforce::new(store.clone());
    if bed.kind() == Kind::Postgres {
        let by_hand = by_hand::hands(&bed.ground().await?, WORKERS).await?;
        return Ok(contest.side("raw sqlx, one row at a time", by_hand).side(EVERCORE, ours));
    }
    let tellers = bed.ground().await?.store().await?;
    let tellers = Crew::of((0..WORKERS).map(|_| Teller::new(tellers.clone())));
    Ok(contest.side("evercore, as many tasks without a queue", tellers).side(EVERCORE, ours))
}

/// Does tasks in a worker of its own for each round.
struct Workforce {
    store: EventStore,
    done: Arc<AtomicU64>,
    /// The tasks that are left.
    left: usize,
}

impl Workforce {
    fn new(store: EventStore) -> Self {
        Self { store, done: Arc::default(), left: 0 }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        while self.left < FULL {
            enqueue_many(&self.store, AT_ONCE).await?;
            self.left += AT_ONCE;
        }
        Ok(())
    }
}

/// Enqueues tasks that are due at once, in one commit.
async fn enqueue_many(store: &EventStore, tasks: usize) -> anyhow::Result<()> {
    store
        .with_context(async |ctx| {
            (0..tasks).try_for_each(|_| ctx.enqueue(MakeDeposit::of(2)).map(drop))
        })
        .await
        .context("tasks cannot be enqueued")
}

struct Depositing {
    done: Arc<AtomicU64>,
}

impl Work<MakeDeposit> for Depositing {
    async fn work(&self, ctx: &mut Context, task: &Claimed<MakeDeposit>) -> Result<(), TaskError> {
        let mut account = ctx.create::<Account>().await?;
        ctx.apply(&mut account, task.event())?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Side for Workforce {
    async fn prepare(&mut self) -> anyhow::Result<()> {
        self.fill().await
    }

    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        let handlers = Handlers::new().work(Depositing { done: Arc::clone(&self.done) });
        let before = self.done.load(Ordering::Relaxed);
        let began = Instant::now();
        let worker = self.store.queue(QUEUE).concurrency(WORKERS).spawn(handlers)?;
        sleep(time).await;
        worker.shutdown().await?;
        let elapsed = began.elapsed();
        let units = self.done.load(Ordering::Relaxed) - before;
        let done = usize::try_from(units)?;
        anyhow::ensure!(done < self.left, "the queue ran empty: measure shorter rounds");
        self.left -= done;
        Ok(Worked { units, elapsed, reruns: 0 })
    }
}
