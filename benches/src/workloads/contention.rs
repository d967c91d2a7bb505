//! W8: many tasks on few accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use evercore::{Error, EventStore, RetryPolicy};

use super::{EVERCORE, contest as new_contest};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::Account;
use crate::engines::Bed;
use crate::raw::{Landed, NewRow, RawLog};

const TASKS: usize = 64;
const ACCOUNTS: usize = 8;

/// The number of commits to an account before all tasks continue with the next one in its place, so that the faster
/// side does not have the longer histories.
const COMMITS_OF_AN_ACCOUNT: i64 = 50;

pub(super) async fn contest(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let log = ground.raw().await?;
    // A task that conflicts again and again must still finish: the benchmark counts reruns, not failures.
    let patient = RetryPolicy::default().attempts(10_000);
    let store = ground.store_with(EventStore::builder().retry(patient)).await?;
    let (raw_places, places) = (Arc::new(Places::default()), Arc::new(Places::default()));
    let raw = (0..TASKS).map(|task| RawTeller {
        log: Arc::clone(&log),
        places: Arc::clone(&raw_places),
        task,
    });
    let ours =
        (0..TASKS).map(|task| Teller { store: store.clone(), places: Arc::clone(&places), task });
    let case = format!("{TASKS} tasks on {ACCOUNTS} aggregates");
    Ok(new_contest("W8", case, &ground, "commits")
        .side("raw sqlx, tried again at once", Crew::of(raw))
        .side(EVERCORE, Crew::of(ours)))
}

/// The number of commits in each place.
#[derive(Default)]
struct Places([AtomicI64; ACCOUNTS]);

impl Places {
    /// Returns the number of the account that a task uses now.
    fn account(&self, task: usize) -> i64 {
        let place = task % ACCOUNTS;
        let generation = self.0[place].load(Ordering::Relaxed) / COMMITS_OF_AN_ACCOUNT;
        let (place, places) = (i64::try_from(place), i64::try_from(ACCOUNTS));
        generation * places.unwrap_or_default() + place.unwrap_or_default()
    }

    fn committed(&self, task: usize) {
        self.0[task % ACCOUNTS].fetch_add(1, Ordering::Relaxed);
    }
}

struct Teller {
    store: EventStore,
    places: Arc<Places>,
    task: usize,
}

struct RawTeller {
    log: Arc<dyn RawLog>,
    places: Arc<Places>,
    task: usize,
}

impl Worker for Teller {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let key = format!("account {}", self.places.account(self.task));
        let runs = AtomicU64::new(0);
        self.store
            .with_context(async |ctx| {
                runs.fetch_add(1, Ordering::Relaxed);
                let mut account = ctx.load_or_create::<Account>(key.as_str()).await?;
                let event = account.state().next_deposit();
                ctx.apply(&mut account, event)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.places.committed(self.task);
        Ok(Step { units: 1, reruns: runs.into_inner() - 1 })
    }
}

impl Worker for RawTeller {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let aggregate = self.places.account(self.task);
        let mut reruns = 0;
        loop {
            let loaded = self.log.load(aggregate).await?;
            let event = loaded.account.next_deposit();
            let row = NewRow::new(aggregate, loaded.sequence + 1, &event)?;
            match self.log.insert(&row).await? {
                Landed::Yes => break,
                Landed::Conflict => reruns += 1,
            }
        }
        self.places.committed(self.task);
        Ok(Step { units: 1, reruns })
    }
}
