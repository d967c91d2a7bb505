//! The workloads, with the same steps as in the parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{Bank, Request, Workload};

/// The number of commits that a task makes to an account before it opens the next one.
const COMMITS_OF_AN_ACCOUNT: u64 = 20;

/// The number of events of a course before its task continues with the next one.
const EVENTS_OF_A_COURSE: u64 = 20;

/// The number of accounts that W4 loads in turn.
const LOADED: u64 = 20;

/// The number of events in a commit while W5's log is written.
const PAGE: u64 = 1_000;

/// A bank and the state of its workload.
pub(crate) struct Works<B> {
    bank: B,
    accounts: Arc<AtomicU64>,
    /// The decisions that each task of W13 has made.
    decisions: Vec<Arc<AtomicU64>>,
    is_prepared: bool,
}

impl<B: Bank> Works<B> {
    pub(crate) fn new(bank: B) -> Self {
        Self { bank, accounts: Arc::default(), decisions: Vec::new(), is_prepared: false }
    }

    /// Works for about this long. The data that must exist is created at the first request, and is not measured.
    pub(crate) async fn work(&mut self, request: Request) -> anyhow::Result<(u64, Duration)> {
        let Request { workload, size, seconds } = request;
        if !self.is_prepared {
            self.prepare(workload, size).await?;
            self.is_prepared = true;
        }
        let began = Instant::now();
        let until = began + Duration::from_secs_f64(seconds);
        let tasks = match workload {
            Workload::W2 | Workload::W13 => size,
            _ => 1,
        };
        self.decisions.resize_with(usize::try_from(tasks)?, Arc::default);
        let mut working = JoinSet::new();
        for (task, made) in (0..tasks).zip(&self.decisions) {
            let (bank, accounts) = (self.bank.clone(), Arc::clone(&self.accounts));
            let made = Arc::clone(made);
            working.spawn(async move {
                match workload {
                    Workload::W1 => open(bank, accounts, 1, until).await,
                    Workload::W2 => tell(bank, accounts, until).await,
                    Workload::W3 => open(bank, accounts, size, until).await,
                    Workload::W4 => load(bank, size, until).await,
                    Workload::W5 => follow(bank, size, until).await,
                    Workload::W13 => decide(bank, task, made, until).await,
                }
            });
        }
        let mut units = 0;
        while let Some(done) = working.join_next().await {
            units += done??;
        }
        Ok((units, began.elapsed()))
    }

    async fn prepare(&self, workload: Workload, size: u64) -> anyhow::Result<()> {
        let (accounts, deposits) = match workload {
            Workload::W4 => (LOADED, size),
            Workload::W5 => (size / PAGE, PAGE),
            Workload::W1 | Workload::W2 | Workload::W3 => (0, 0),
            Workload::W13 => return self.bank.prepare_courses().await,
        };
        for account in 1..=accounts {
            self.bank.open(account, deposits).await?;
        }
        self.accounts.store(accounts, Ordering::Relaxed);
        Ok(())
    }
}

fn next(accounts: &AtomicU64) -> u64 {
    accounts.fetch_add(1, Ordering::Relaxed) + 1
}

/// Runs W1 and W3.
async fn open<B: Bank>(
    bank: B,
    accounts: Arc<AtomicU64>,
    deposits: u64,
    until: Instant,
) -> anyhow::Result<u64> {
    let mut units = 0;
    while Instant::now() < until {
        bank.open(next(&accounts), deposits).await?;
        units += deposits;
    }
    Ok(units)
}

/// Runs W2.
async fn tell<B: Bank>(bank: B, accounts: Arc<AtomicU64>, until: Instant) -> anyhow::Result<u64> {
    let (mut account, mut units) = (0, 0);
    while Instant::now() < until {
        if units % COMMITS_OF_AN_ACCOUNT == 0 {
            account = next(&accounts);
            bank.open(account, 1).await?;
        } else {
            bank.deposit(account).await?;
        }
        units += 1;
    }
    Ok(units)
}

/// Runs W4.
async fn load<B: Bank>(bank: B, events: u64, until: Instant) -> anyhow::Result<u64> {
    let (mut account, mut units) = (0, 0);
    while Instant::now() < until {
        account = account % LOADED + 1;
        let books = bank.load(account).await?;
        let replayed = books.deposits.unsigned_abs();
        anyhow::ensure!(replayed == events, "{replayed} deposits were replayed");
        units += events;
    }
    Ok(units)
}

/// Runs W5.
async fn follow<B: Bank>(bank: B, events: u64, until: Instant) -> anyhow::Result<u64> {
    let total = i64::try_from(events / PAGE * (PAGE * (PAGE + 1) / 2))?;
    let mut units = 0;
    while Instant::now() < until {
        let (handled, amounts) = bank.follow().await?;
        anyhow::ensure!(handled == events, "{handled} events were handled");
        anyhow::ensure!(amounts == total, "they add up to {amounts}");
        units += handled;
    }
    Ok(units)
}

/// Runs W13.
async fn decide<B: Bank>(
    bank: B,
    task: u64,
    made: Arc<AtomicU64>,
    until: Instant,
) -> anyhow::Result<u64> {
    let mut units = 0;
    while Instant::now() < until {
        let decision = made.fetch_add(1, Ordering::Relaxed);
        let course = format!("{task}-{}", decision / EVENTS_OF_A_COURSE);
        let student = format!("{task}-{}", decision / 2);
        bank.subscribe(&course, &student).await?;
        units += 1;
    }
    Ok(units)
}
