//! W11: whether each part of a commit takes longer the more parts the commit has.

use evercore::{AggregateId, Error, EventStore};

use super::contest;
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited, SavingsAccount};
use crate::engines::Bed;

/// The numbers of parts in a commit, up to the default limits.
const SIZES: [u64; 4] = [1_250, 2_500, 5_000, 10_000];

/// The kind of part that a commit has many of.
#[derive(Clone, Copy, Debug)]
enum Parts {
    /// New aggregates without keys, each with an event.
    Aggregates,
    /// New aggregates with keys, each with an event.
    Keys,
    /// Existing aggregates, each of which takes the key of the next.
    MovedKeys,
    /// Existing aggregates that must not change meanwhile.
    Guards,
    /// New aggregates with snapshots, a hundred events each.
    Snapshots,
    /// Events of one new aggregate.
    Events,
}

pub(super) async fn contests(bed: &Bed) -> anyhow::Result<Vec<Contest>> {
    let mut contests = Vec::new();
    for (parts, case) in [
        (Parts::Aggregates, "new aggregates of a commit"),
        (Parts::Keys, "new keys of a commit"),
        (Parts::MovedKeys, "moved keys of a commit"),
        (Parts::Guards, "guards of a commit"),
        (Parts::Snapshots, "events of a commit, a snapshot for each hundred"),
        (Parts::Events, "events of a commit"),
    ] {
        let ground = bed.ground().await?;
        let mut growing = contest("W11", case, &ground, "parts");
        for size in SIZES {
            let store = bed.ground().await?.store().await?;
            let committer = Committer { store, parts, size, runs: 0, stored: Vec::new() };
            growing = growing.side(size.to_string(), Crew::alone(committer));
        }
        contests.push(growing);
    }
    Ok(contests)
}

/// Makes commits of one size.
struct Committer {
    store: EventStore,
    parts: Parts,
    size: u64,
    runs: u64,
    /// The aggregates whose keys move or that are guarded.
    stored: Vec<AggregateId>,
}

impl Committer {
    /// Creates aggregates, each with a unique key.
    async fn create(&self) -> anyhow::Result<Vec<AggregateId>> {
        let run = self.runs;
        let created = self.store.with_context(async |ctx| {
            let mut ids = Vec::new();
            for n in 0..self.size {
                let mut account = ctx.create_with_key::<Account>(format!("{run} {n}")).await?;
                ctx.apply(&mut account, MoneyDeposited::of(1))?;
                ids.push(account.id());
            }
            Ok::<_, Error>(ids)
        });
        Ok(created.await?)
    }

    async fn commit(&self) -> anyhow::Result<()> {
        let (parts, size, run) = (self.parts, self.size, self.runs);
        let done = self.store.with_context(async |ctx| {
            match parts {
                Parts::Keys => unreachable!("BUG: they are created"),
                Parts::Aggregates => {
                    for _ in 0..size {
                        let mut account = ctx.create::<Account>().await?;
                        ctx.apply(&mut account, MoneyDeposited::of(1))?;
                    }
                }
                Parts::MovedKeys => {
                    for (n, &id) in (1 + run..).zip(&self.stored) {
                        let mut account = ctx.load::<Account>(id).await?;
                        // The aggregate that holds this key moves to another one in the same commit.
                        ctx.change_key(&mut account, format!("moved {}", n % (2 * size)))?;
                    }
                }
                Parts::Guards => {
                    for &id in &self.stored {
                        let account = ctx.load::<Account>(id).await?;
                        ctx.guard(&account)?;
                    }
                }
                Parts::Snapshots => {
                    for _ in 0..size / 100 {
                        let mut account = ctx.create::<SavingsAccount>().await?;
                        for _ in 0..100 {
                            let next = account.state().next_deposit();
                            ctx.apply(&mut account, next)?;
                        }
                    }
                }
                Parts::Events => {
                    let mut account = ctx.create::<Account>().await?;
                    for _ in 0..size {
                        ctx.apply(&mut account, MoneyDeposited::of(1))?;
                    }
                }
            }
            Ok::<_, Error>(())
        });
        Ok(done.await?)
    }
}

impl Worker for Committer {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.runs += 1;
        if matches!(self.parts, Parts::Keys) {
            self.create().await?;
            return Ok(Step::units(self.size));
        }
        if matches!(self.parts, Parts::MovedKeys | Parts::Guards) && self.stored.is_empty() {
            self.stored = self.create().await?;
        }
        self.commit().await?;
        Ok(Step::units(self.size))
    }
}
