//! Writes to the log, in each other's way, and remembers what it was told.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::{AggregateId, Error, EventStore};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use crate::domain::{Entered, Ledger};
use crate::plan::Engine;
use crate::stage::Stage;
use crate::{postgres, sqlite};

/// The most ledgers that are written to. Few, so that writers meet.
const LEDGERS: usize = 40;

/// The rests of a writer, in microseconds. The handlers are to keep up.
const REST: Range<u64> = 5_000..25_000;

/// What all writers share.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    ledgers: Mutex<Vec<AggregateId>>,
    last_attempt: AtomicI64,
    /// How often a closure was run.
    runs: AtomicU64,
}

/// What a writer tried, and what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: i64,
    /// Of how many events.
    pub(crate) events: usize,
    pub(crate) told: Told,
    pub(crate) beside: Beside,
}

/// What a writer was told about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Landed,
    /// It was the writer's own closure that failed.
    RolledBack,
    /// It has not landed and never will: a conflict, or the database was away.
    Refused,
    Unknown,
}

/// Whether the user's own row goes with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Row,
    Nothing,
}

/// How a closure is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Land,
    RollBack,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the writer has thought better of it")]
    RolledBack,
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] Error),
}

/// One of the writers.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) stage: Arc<Stage>,
    pub(crate) engine: Engine,
    pub(crate) desk: Arc<Desk>,
    pub(crate) rng: Rng,
}

impl Intent {
    pub(crate) fn outcome(self) -> Result<(), Failure> {
        match self {
            Self::Land => Ok(()),
            Self::RollBack => Err(Failure::RolledBack),
        }
    }
}

impl Desk {
    /// How often a closure was run again, in so many attempts.
    pub(crate) fn reruns(&self, attempts: usize) -> u64 {
        let attempts = u64::try_from(attempts).unwrap_or(u64::MAX);
        self.runs.load(Ordering::Relaxed).saturating_sub(attempts)
    }

    fn ledgers(&self) -> std::sync::MutexGuard<'_, Vec<AggregateId>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes until then.
    ///
    /// # Errors
    /// One that no trouble with the database excuses.
    pub(crate) async fn run(mut self, until: Instant) -> Result<Vec<Attempt>, Failure> {
        let mut attempts = Vec::new();
        while Instant::now() < until {
            attempts.push(self.attempt().await?);
            sleep(Duration::from_micros(self.rng.u64(REST))).await;
        }
        Ok(attempts)
    }

    async fn attempt(&mut self) -> Result<Attempt, Failure> {
        let store = self.stage.store();
        let number = self.desk.last_attempt.fetch_add(1, Ordering::Relaxed) + 1;
        let ledgers = self.desk.ledgers().clone();
        let intent = if self.rng.u8(..8) == 0 { Intent::RollBack } else { Intent::Land };
        let beside = if self.engine.is_shared() && !ledgers.is_empty() && self.rng.u8(..6) == 0 {
            Beside::Row
        } else {
            Beside::Nothing
        };
        let (events, ended) = if beside == Beside::Row {
            self.desk.runs.fetch_add(1, Ordering::Relaxed);
            let ledger = ledgers[self.rng.usize(..ledgers.len())];
            (1, self.transact(&store, ledger, number, intent).await)
        } else if ledgers.len() < LEDGERS && self.rng.u8(..4) == 0 || ledgers.is_empty() {
            (1, self.open(&store, number, intent).await)
        } else {
            let count = self.rng.usize(1..=2).min(ledgers.len());
            let chosen = self.rng.choose_multiple(&ledgers, count);
            let chosen: Vec<_> = chosen.into_iter().copied().collect();
            let each = self.rng.usize(1..=3);
            (count * each, self.enter(&store, &chosen, each, number, intent).await)
        };
        let told = match ended {
            Ok(()) => Told::Landed,
            Err(Failure::RolledBack) => Told::RolledBack,
            Err(Failure::Store(Error::OutcomeUnknown { .. })) => Told::Unknown,
            Err(Failure::Store(error)) if error.is_retryable() => Told::Refused,
            // Somebody has just reopened it.
            Err(Failure::Store(Error::Closed)) => Told::Refused,
            // The server went away in the middle of the user's own statement, so nothing was committed.
            Err(Failure::Statement(_)) => Told::Refused,
            Err(failure) => return Err(failure),
        };
        Ok(Attempt { number, events, told, beside })
    }

    /// Writes to ledgers that others write to.
    async fn enter(
        &self,
        store: &EventStore,
        ledgers: &[AggregateId],
        each: usize,
        attempt: i64,
        intent: Intent,
    ) -> Result<(), Failure> {
        let think = Duration::from_micros(fastrand::u64(..2_000));
        store
            .with_context(async |ctx| {
                self.desk.runs.fetch_add(1, Ordering::Relaxed);
                for &ledger in ledgers {
                    let mut ledger = ctx.load::<Ledger>(ledger).await?;
                    sleep(think).await;
                    for _ in 0..each {
                        ctx.apply(&mut ledger, Entered { attempt })?;
                    }
                }
                intent.outcome()
            })
            .await
    }

    /// Opens another ledger.
    async fn open(&self, store: &EventStore, attempt: i64, intent: Intent) -> Result<(), Failure> {
        let opened = store
            .with_context(async |ctx| {
                self.desk.runs.fetch_add(1, Ordering::Relaxed);
                let mut ledger = ctx.create::<Ledger>().await?;
                ctx.apply(&mut ledger, Entered { attempt })?;
                intent.outcome().map(|()| ledger.id())
            })
            .await?;
        self.desk.ledgers().push(opened);
        Ok(())
    }

    async fn transact(
        &self,
        store: &EventStore,
        ledger: AggregateId,
        attempt: i64,
        intent: Intent,
    ) -> Result<(), Failure> {
        match self.engine {
            Engine::Memory => unreachable!("BUG: there are no rows beside a log in memory"),
            Engine::Sqlite => sqlite::transact(store, ledger, attempt, intent).await,
            Engine::Postgres => postgres::transact(store, ledger, attempt, intent).await,
        }
    }
}
