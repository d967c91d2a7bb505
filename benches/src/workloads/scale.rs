//! W7: whether a store becomes slower as it grows.

mod build;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evercore::{AggregateId, Batch, Error, EventStore};
use tokio::sync::Notify;

use super::contest;
use super::deciding::deposit;
use super::rehydrating::Reader;
use crate::contest::{Contest, Plan, Row};
use crate::crew::{Crew, Step, Worker};
use crate::domain::MoneyDeposited;
use crate::engines::{Bed, Ground};
use build::{Analysed, Layout};

/// The number of events in the small store, with which the large one is compared.
const SMALL: i64 = 100_000;
const TASKS: usize = 16;

/// The number of short accounts that are written to, spread over the whole store. It is the same on both sides, so that
/// their histories grow equally.
const WRITTEN_TO: usize = 8_000;

pub(super) async fn run(bed: &Bed, large: i64, plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let small = Scaled::build(bed.ground().await?, SMALL, Analysed::Afterwards).await?;
    let large = Scaled::build(bed.ground().await?, large, Analysed::Afterwards).await?;
    let mut rows = loading(&small, &large)?.run(plan).await?;
    rows.extend(writing(&small, &large)?.run(plan).await?);
    Ok(rows)
}

/// W5 by event type, on logs of growing size that were filled at once and never analyzed, as after an import.
pub(super) async fn by_type(bed: &Bed, events: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let mut contest = contest("W5", "by event type, never analysed", &ground, "events");
    for events in [events, 4 * events] {
        let scaled = Scaled::build(bed.ground().await?, events, Analysed::Never).await?;
        let follower = ByType { store: scaled.store, events: scaled.layout.events(), runs: 0 };
        contest = contest.side(scaled.layout.to_string(), Crew::alone(follower));
    }
    Ok(contest)
}

fn writing(small: &Scaled, large: &Scaled) -> anyhow::Result<Contest> {
    let case = format!("as W2, {TASKS} tasks, accounts of 10 events");
    Ok(contest("W7", case, &small.ground, "commits")
        .side(small.layout.to_string(), small.tellers()?)
        .side(large.layout.to_string(), large.tellers()?))
}

fn loading(small: &Scaled, large: &Scaled) -> anyhow::Result<Contest> {
    Ok(contest("W7", "as W4, histories spread over the log", &small.ground, "events")
        .side(small.layout.to_string(), small.reader()?)
        .side(large.layout.to_string(), large.reader()?))
}

/// A store that was built by SQL.
struct Scaled {
    ground: Ground,
    store: EventStore,
    layout: Layout,
}

impl Scaled {
    async fn build(ground: Ground, events: i64, analysed: Analysed) -> anyhow::Result<Self> {
        let layout = build::build(&ground, events, analysed).await?;
        let store = ground.store().await?;
        Ok(Self { ground, store, layout })
    }

    fn reader(&self) -> anyhow::Result<Crew<Reader>> {
        let ids: Result<Vec<_>, _> = self.layout.long_accounts().map(AggregateId::new).collect();
        let units = build::LONG_HISTORY;
        Ok(Crew::alone(Reader { store: self.store.clone(), ids: ids?, next: 0, units }))
    }

    fn tellers(&self) -> anyhow::Result<Crew<Teller>> {
        let step = (self.layout.short_accounts().count() / WRITTEN_TO).max(1);
        let ids: Result<Vec<_>, _> =
            self.layout.short_accounts().step_by(step).map(AggregateId::new).collect();
        let ids = ids?;
        let share = ids.len() / TASKS;
        Ok(Crew::of(
            ids.chunks_exact(share)
                .take(TASKS)
                .map(|ids| Teller { store: self.store.clone(), ids: ids.to_vec() }),
        ))
    }
}

/// Follows the log to its end with a new subscription to one event type.
struct ByType {
    store: EventStore,
    events: u64,
    runs: u64,
}

impl Worker for ByType {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.runs += 1;
        let (events, seen) = (self.events, Arc::new(AtomicU64::new(0)));
        let (all, counted) = (Arc::new(Notify::new()), Arc::clone(&seen));
        let ended = Arc::clone(&all);
        let following = self
            .store
            .subscription(format!("by type {}", self.runs))
            .event::<MoneyDeposited>()
            .spawn(async move |batch: Batch| {
                let handled = batch.iter().count() as u64;
                if counted.fetch_add(handled, Ordering::Relaxed) + handled >= events {
                    ended.notify_one();
                }
                Ok::<_, Error>(())
            })?;
        all.notified().await;
        following.shutdown().await?;
        anyhow::ensure!(seen.load(Ordering::Relaxed) == events, "each comes once");
        Ok(Step::units(events))
    }
}

/// Makes deposits to its accounts, drawn at random.
struct Teller {
    store: EventStore,
    ids: Vec<AggregateId>,
}

impl Worker for Teller {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let id = self.ids[fastrand::usize(..self.ids.len())];
        deposit(&self.store, id).await?;
        Ok(Step::ONE)
    }
}
