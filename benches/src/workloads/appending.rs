//! W1 and W3: one task that commits one event at a time, or a hundred.

use std::sync::Arc;

use evercore::{AggregateId, Error, EventStore, Expected, Sequence, Stream};

use super::{CACHED, EVERCORE, SAME_ROWS, contest};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited, SavingsAccount};
use crate::engines::Bed;
use crate::raw::{Aggregate, NewRow, RawLog, SameRows};

pub(super) const MANY: i64 = 100;

/// Every commit opens an account.
pub(super) async fn fresh(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let raw = RawFresh { log: ground.raw().await?, aggregate: 0, events: 1 };
    let same = bed.ground().await?.same_rows().await?;
    let same = same.map(|log| Crew::alone(SameFresh { log, aggregate: 0, events: 1 }));
    let ours = Fresh { store: ground.store().await?, events: 1 };
    Ok(contest("W1", "fresh aggregates", &ground, "commits")
        .side("raw sqlx", Crew::alone(raw))
        .optional(SAME_ROWS, same)
        .side(EVERCORE, Crew::alone(ours)))
}

/// Every commit opens an account and makes a hundred deposits.
pub(super) async fn many(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let raw = RawFresh { log: ground.raw().await?, aggregate: 0, events: MANY };
    let same = bed.ground().await?.same_rows().await?;
    let same = same.map(|log| Crew::alone(SameFresh { log, aggregate: 0, events: MANY }));
    let ours = Fresh { store: ground.store().await?, events: MANY };
    Ok(contest("W3", "100 events per commit", &ground, "events")
        .side("raw sqlx", Crew::alone(raw))
        .optional(SAME_ROWS, same)
        .side(EVERCORE, Crew::alone(ours)))
}

/// Every commit appends to the same account, at the sequence that the caller knows.
pub(super) async fn hot(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let raw = RawHot { log: ground.raw().await?, sequence: 0 };
    let same = bed.ground().await?.same_rows().await?;
    let same = same.map(|log| Crew::alone(SameHot { log, sequence: 0 }));
    let store = ground.store().await?;
    let id = store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, MoneyDeposited::of(1))?;
            Ok::<_, Error>(account.id())
        })
        .await?;
    let ours = Hot { store, id, sequence: Sequence::FIRST };
    Ok(contest("W1", "one hot aggregate, known sequence", &ground, "commits")
        .side("raw sqlx", Crew::alone(raw))
        .optional(SAME_ROWS, same)
        .side(EVERCORE, Crew::alone(ours)))
}

/// Every commit loads the same account and decides on it. Compared with the raw INSERT at a known sequence, this shows
/// the cost of the load, and the part of it that the cache saves.
pub(super) async fn hot_with_load(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let raw = RawHot { log: ground.raw().await?, sequence: 0 };
    let ours = HotWithLoad::on(ground.store().await?).await?;
    let cached = HotWithLoad::on(ground.cached_store().await?).await?;
    Ok(contest("W1", "one hot aggregate, load and decide", &ground, "commits")
        .side("raw sqlx, without a load", Crew::alone(raw))
        .side(EVERCORE, Crew::alone(ours))
        .side(CACHED, Crew::alone(cached)))
}

struct Fresh {
    store: EventStore,
    events: i64,
}

struct RawFresh {
    log: Arc<dyn RawLog>,
    aggregate: i64,
    events: i64,
}

struct Hot {
    store: EventStore,
    id: AggregateId,
    sequence: Sequence,
}

struct RawHot {
    log: Arc<dyn RawLog>,
    sequence: i64,
}

struct SameFresh {
    log: Arc<SameRows>,
    aggregate: i64,
    events: i64,
}

struct SameHot {
    log: Arc<SameRows>,
    sequence: i64,
}

struct HotWithLoad {
    store: EventStore,
    id: AggregateId,
}

impl HotWithLoad {
    async fn on(store: EventStore) -> anyhow::Result<Self> {
        let id = store
            .with_context(async |ctx| Ok::<_, Error>(ctx.create::<SavingsAccount>().await?.id()))
            .await?;
        Ok(Self { store, id })
    }
}

impl Worker for Fresh {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let events = self.events;
        self.store
            .with_context(async |ctx| {
                let mut account = ctx.create::<Account>().await?;
                for amount in 1..=events {
                    ctx.apply(&mut account, MoneyDeposited::of(amount))?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(Step::units(events.unsigned_abs()))
    }
}

impl Worker for RawFresh {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.aggregate += 1;
        match deposits(self.aggregate, self.events)?.as_slice() {
            [event] => self.log.insert_alone(event).await?,
            events => self.log.insert_many_alone(events).await?,
        }
        Ok(Step::units(self.events.unsigned_abs()))
    }
}

impl Worker for SameFresh {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.aggregate += 1;
        let events = deposits(self.aggregate, self.events)?;
        self.log.insert(Aggregate::New, &events).await?;
        Ok(Step::units(self.events.unsigned_abs()))
    }
}

fn deposits(aggregate: i64, events: i64) -> anyhow::Result<Vec<NewRow>> {
    (1..=events)
        .map(|sequence| NewRow::new(aggregate, sequence, &MoneyDeposited::of(sequence)))
        .collect()
}

impl Worker for Hot {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let event = MoneyDeposited::of(self.sequence.get() % 1_000);
        let expected = Expected::Exactly(self.sequence);
        self.store.append::<Account, _>(Stream::Id(self.id), expected, [event]).await?;
        self.sequence = self.sequence.next();
        Ok(Step::ONE)
    }
}

impl Worker for RawHot {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.sequence += 1;
        let event = MoneyDeposited::of(self.sequence % 1_000);
        self.log.insert_alone(&NewRow::new(1, self.sequence, &event)?).await?;
        Ok(Step::ONE)
    }
}

impl Worker for SameHot {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.sequence += 1;
        let event = MoneyDeposited::of(self.sequence % 1_000);
        let event = NewRow::new(1, self.sequence, &event)?;
        self.log.insert(Aggregate::Known, &[event]).await?;
        Ok(Step::ONE)
    }
}

impl Worker for HotWithLoad {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let id = self.id;
        self.store
            .with_context(async |ctx| {
                let mut account = ctx.load::<SavingsAccount>(id).await?;
                let event = account.state().next_deposit();
                ctx.apply(&mut account, event)
            })
            .await?;
        Ok(Step::ONE)
    }
}
