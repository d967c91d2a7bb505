//! W2: many tasks, each on its own account: load, decide, append one event.

use std::sync::Arc;

use evercore::{AggregateId, Error, EventStore};

use super::{CACHED, EVERCORE};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited};
use crate::engines::Bed;
use crate::raw::{Landed, NewRow, RawLog};

/// The number of commits that a task makes to an account before it opens the next one. Otherwise the faster side would
/// have longer histories to load.
pub(super) const COMMITS_OF_AN_ACCOUNT: i64 = 20;

pub(super) async fn contest(bed: &Bed, tasks: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let log = ground.raw().await?;
    let (store, cached) = (ground.store().await?, ground.cached_store().await?);
    let raw = (0..tasks).map(|task| RawTeller {
        log: Arc::clone(&log),
        aggregate: task,
        tasks,
        commits: 0,
    });
    let ours = |store: EventStore| Crew::of((0..tasks).map(move |_| Teller::new(store.clone())));
    Ok(super::contest("W2", format!("{tasks} tasks"), &ground, "commits")
        .side("raw sqlx, pool of 16", Crew::of(raw))
        .side(EVERCORE, ours(store))
        .side(CACHED, ours(cached)))
}

/// A task of evercore's side.
pub(super) struct Teller {
    store: EventStore,
    account: Option<AggregateId>,
    commits: i64,
}

struct RawTeller {
    log: Arc<dyn RawLog>,
    aggregate: i64,
    tasks: i64,
    commits: i64,
}

impl Teller {
    pub(super) const fn new(store: EventStore) -> Self {
        Self { store, account: None, commits: 0 }
    }
}

impl Worker for Teller {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.commits += 1;
        let account = self.account.filter(|_| self.commits % COMMITS_OF_AN_ACCOUNT != 0);
        self.account = Some(match account {
            Some(id) => {
                deposit(&self.store, id).await?;
                id
            }
            None => open(&self.store).await?,
        });
        Ok(Step::ONE)
    }
}

async fn open(store: &EventStore) -> Result<AggregateId, Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, MoneyDeposited::of(1))?;
            Ok(account.id())
        })
        .await
}

/// Loads an account and makes the next deposit.
pub(super) async fn deposit(store: &EventStore, id: AggregateId) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load::<Account>(id).await?;
            let event = account.state().next_deposit();
            ctx.apply(&mut account, event)
        })
        .await
}

impl Worker for RawTeller {
    async fn step(&mut self) -> anyhow::Result<Step> {
        if self.commits % COMMITS_OF_AN_ACCOUNT == 0 {
            self.aggregate += self.tasks;
            let event = MoneyDeposited::of(1);
            self.log.insert(&NewRow::new(self.aggregate, 1, &event)?).await?;
        } else {
            let loaded = self.log.load(self.aggregate).await?;
            let event = loaded.account.next_deposit();
            let row = NewRow::new(self.aggregate, loaded.sequence + 1, &event)?;
            anyhow::ensure!(
                self.log.insert(&row).await? == Landed::Yes,
                "there is no other writer"
            );
        }
        self.commits += 1;
        Ok(Step::ONE)
    }
}
