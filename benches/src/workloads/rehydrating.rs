//! W4: one task that loads an account with a long history.

use std::sync::Arc;

use evercore::{AggregateId, Error, EventStore};

use super::{EVERCORE, SAME_ROWS, contest};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited, MoneySaved, SavingsAccount};
use crate::engines::Bed;
use crate::raw::{Loaded, NewRow, RawLog, SameRows};

pub(super) const EVENTS: i64 = 1_000;

/// The number of accounts that are loaded in turn, so that the same pages are not read each time.
const ACCOUNTS: i64 = 20;

/// The number of events after the newest snapshot: half the interval between snapshots.
const AFTER_THE_SNAPSHOT: i64 = 50;

/// Loads the whole history.
pub(super) async fn full(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let (log, store) = (ground.raw().await?, ground.store().await?);
    let mut ids = Vec::new();
    for aggregate in 1..=ACCOUNTS {
        log.insert_many_alone(&history(aggregate, EVENTS)?).await?;
        ids.push(open::<Account, _>(&store, EVENTS, MoneyDeposited::of).await?);
    }
    let raw = RawReader { log, aggregate: 0, snapshots: false };
    let same = ground.same_rows().await?;
    let same = same.map(|log| Crew::alone(SameReader { log, ids: ids.clone(), next: 0 }));
    let ours = Reader { store, ids, next: 0, units: EVENTS };
    Ok(contest("W4", "1,000 events, no snapshot", &ground, "events")
        .side("raw sqlx", Crew::alone(raw))
        .optional(SAME_ROWS, same)
        .side(EVERCORE, Crew::alone(ours)))
}

/// Loads the newest snapshot, and the events after it.
pub(super) async fn with_snapshot(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let (log, store) = (ground.raw().await?, ground.store().await?);
    let mut ids = Vec::new();
    for aggregate in 1..=ACCOUNTS {
        log.insert_many_alone(&history(aggregate, EVENTS)?).await?;
        log.store_snapshot(aggregate, &log.load_alone(aggregate).await?).await?;
        let tail = history(aggregate, EVENTS + AFTER_THE_SNAPSHOT)?;
        log.insert_many_alone(&tail[usize::try_from(EVENTS)?..]).await?;
        let id = open::<SavingsAccount, _>(&store, EVENTS + AFTER_THE_SNAPSHOT, |amount| {
            let MoneyDeposited { amount, currency, reference, note } = MoneyDeposited::of(amount);
            MoneySaved { amount, currency, reference, note }
        });
        ids.push(id.await?);
    }
    let raw = RawReader { log, aggregate: 0, snapshots: true };
    let ours = SavingsReader { store, ids, next: 0 };
    Ok(contest("W4", "a snapshot and 50 events", &ground, "loads")
        .side("raw sqlx", Crew::alone(raw))
        .side(EVERCORE, Crew::alone(ours)))
}

async fn open<A, E>(
    store: &EventStore,
    events: i64,
    event: impl Fn(i64) -> E + Clone + Send,
) -> Result<AggregateId, Error>
where
    A: evercore::Aggregate + evercore::Apply<E>,
    E: evercore::Event<Aggregate = A>,
{
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<A>().await?;
            for amount in 1..=events {
                ctx.apply(&mut account, event(amount))?;
            }
            Ok(account.id())
        })
        .await
}

fn history(aggregate: i64, events: i64) -> anyhow::Result<Vec<NewRow>> {
    (1..=events)
        .map(|sequence| NewRow::new(aggregate, sequence, &MoneyDeposited::of(sequence)))
        .collect()
}

/// Loads accounts in turn.
pub(super) struct Reader {
    pub(super) store: EventStore,
    pub(super) ids: Vec<AggregateId>,
    pub(super) next: usize,
    /// The number of events of each account.
    pub(super) units: i64,
}

struct SavingsReader {
    store: EventStore,
    ids: Vec<AggregateId>,
    next: usize,
}

struct RawReader {
    log: Arc<dyn RawLog>,
    aggregate: i64,
    snapshots: bool,
}

/// Reads the histories that evercore has written.
struct SameReader {
    log: Arc<SameRows>,
    ids: Vec<AggregateId>,
    next: usize,
}

impl Worker for Reader {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.next += 1;
        let id = self.ids[self.next % self.ids.len()];
        let deposits = self
            .store
            .with_context(async |ctx| {
                Ok::<_, Error>(ctx.load::<Account>(id).await?.state().books.deposits)
            })
            .await?;
        anyhow::ensure!(deposits == self.units, "{deposits} deposits were replayed");
        Ok(Step::units(self.units.unsigned_abs()))
    }
}

impl Worker for SavingsReader {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.next += 1;
        let id = self.ids[self.next % self.ids.len()];
        let deposits = self
            .store
            .with_context(async |ctx| {
                Ok::<_, Error>(ctx.load::<SavingsAccount>(id).await?.state().books.deposits)
            })
            .await?;
        anyhow::ensure!(deposits == EVENTS + AFTER_THE_SNAPSHOT, "{deposits} deposits");
        Ok(Step::ONE)
    }
}

impl Worker for RawReader {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.aggregate = self.aggregate % ACCOUNTS + 1;
        let (loaded, expected, units): (Loaded, _, _) = if self.snapshots {
            let loaded = self.log.load_snapshot_alone(self.aggregate).await?;
            (loaded, EVENTS + AFTER_THE_SNAPSHOT, 1)
        } else {
            (self.log.load_alone(self.aggregate).await?, EVENTS, EVENTS)
        };
        let deposits = loaded.account.books.deposits;
        anyhow::ensure!(deposits == expected, "{deposits} deposits were replayed");
        Ok(Step::units(units.unsigned_abs()))
    }
}

impl Worker for SameReader {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.next += 1;
        let id = self.ids[self.next % self.ids.len()];
        let deposits = self.log.load(id.get()).await?.account.books.deposits;
        anyhow::ensure!(deposits == EVENTS, "{deposits} deposits were replayed");
        Ok(Step::units(EVENTS.unsigned_abs()))
    }
}
