//! Writes to the log, in each other's way.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::{AggregateId, Error, EventStore};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::domain::{Entered, Ledger};
use crate::plan::Engine;
use crate::stage::Opened;
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

/// What a writer is about to try.
#[derive(Debug)]
pub(crate) struct Venture {
    number: i64,
    intent: Intent,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// Opens a ledger under this key, or finds it there.
    Open { key: String },
    /// Writes so many events to each of these, if the one that is read and not written stays as it is.
    Enter { ledgers: Vec<AggregateId>, each: usize, guarded: Option<AggregateId> },
    /// Writes an event, and a row with it.
    Transact { ledger: AggregateId },
}

/// What a writer tried, and what it was told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) number: i64,
    /// Of how many events.
    pub(crate) events: usize,
    pub(crate) told: Told,
    pub(crate) beside: Beside,
}

/// What a writer was told about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Landed,
    /// It was the writer's own closure that failed.
    RolledBack,
    /// It has not landed and never will: a conflict, or the database was away.
    Refused,
    Unknown,
}

/// Whether the user's own row goes with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) opened: Opened,
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

impl Venture {
    /// What is known of it before anyone was told anything.
    pub(crate) fn told(&self, told: Told) -> Attempt {
        let (events, beside) = match &self.work {
            Work::Open { .. } => (1, Beside::Nothing),
            Work::Enter { ledgers, each, .. } => (ledgers.len() * each, Beside::Nothing),
            Work::Transact { .. } => (1, Beside::Row),
        };
        Attempt { number: self.number, events, told, beside }
    }

    pub(crate) fn is_to_land(&self) -> bool {
        self.intent == Intent::Land
    }
}

impl Desk {
    /// A desk whose first attempt comes after that one.
    pub(crate) fn after(last_attempt: i64) -> Self {
        Self { last_attempt: AtomicI64::new(last_attempt), ..Self::default() }
    }

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
    /// Writes until then, and remembers what it was told.
    ///
    /// # Errors
    /// One that no trouble with the database excuses.
    pub(crate) async fn run(mut self, until: Instant) -> Result<Vec<Attempt>, Failure> {
        let mut attempts = Vec::new();
        while Instant::now() < until {
            let venture = self.venture();
            attempts.push(venture.told(self.attempt(&venture).await?));
            self.rest().await;
        }
        Ok(attempts)
    }

    /// Thinks of something to try.
    pub(crate) fn venture(&mut self) -> Venture {
        let number = self.desk.last_attempt.fetch_add(1, Ordering::Relaxed) + 1;
        let ledgers = self.desk.ledgers().clone();
        let intent = if self.rng.u8(..8) == 0 { Intent::RollBack } else { Intent::Land };
        let work = if self.engine.is_shared() && !ledgers.is_empty() && self.rng.u8(..6) == 0 {
            Work::Transact { ledger: ledgers[self.rng.usize(..ledgers.len())] }
        } else if ledgers.is_empty() || ledgers.len() < LEDGERS && self.rng.u8(..4) == 0 {
            Work::Open { key: format!("ledger-{}", self.rng.usize(..LEDGERS)) }
        } else {
            let count = self.rng.usize(1..=3).min(ledgers.len());
            let mut ledgers = self.rng.choose_multiple(ledgers, count);
            let guarded = if ledgers.len() > 1 && self.rng.bool() { ledgers.pop() } else { None };
            Work::Enter { ledgers, each: self.rng.usize(1..=3), guarded }
        };
        Venture { number, intent, work }
    }

    /// Tries it, and says what it was told.
    ///
    /// # Errors
    /// One that no trouble with the database excuses.
    pub(crate) async fn attempt(&mut self, venture: &Venture) -> Result<Told, Failure> {
        let store = self.opened.get();
        let ended = match &venture.work {
            Work::Open { key } => self.open(&store, venture, key).await,
            Work::Enter { ledgers, each, guarded } => {
                self.enter(&store, venture, ledgers, *each, *guarded).await
            }
            Work::Transact { ledger } => self.transact(&store, venture, *ledger).await,
        };
        match ended {
            Ok(()) => Ok(Told::Landed),
            Err(Failure::RolledBack) => Ok(Told::RolledBack),
            Err(Failure::Store(Error::OutcomeUnknown { .. })) => Ok(Told::Unknown),
            Err(Failure::Store(error)) if error.is_retryable() => Ok(Told::Refused),
            // Somebody has just reopened it.
            Err(Failure::Store(Error::Closed)) => Ok(Told::Refused),
            // The server went away in the middle of the user's own statement, so nothing was committed.
            Err(Failure::Statement(_)) => Ok(Told::Refused),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn rest(&mut self) {
        sleep(Duration::from_micros(self.rng.u64(REST))).await;
    }

    /// Writes to ledgers that others write to.
    async fn enter(
        &mut self,
        store: &EventStore,
        venture: &Venture,
        ledgers: &[AggregateId],
        each: usize,
        guarded: Option<AggregateId>,
    ) -> Result<(), Failure> {
        let think = Duration::from_micros(self.rng.u64(..2_000));
        store
            .with_context(async |ctx| {
                self.desk.runs.fetch_add(1, Ordering::Relaxed);
                if let Some(guarded) = guarded {
                    let guarded = ctx.load::<Ledger>(guarded).await?;
                    ctx.guard(&guarded)?;
                }
                for &ledger in ledgers {
                    let mut ledger = ctx.load::<Ledger>(ledger).await?;
                    sleep(think).await;
                    for _ in 0..each {
                        ctx.apply(&mut ledger, Entered { attempt: venture.number })?;
                    }
                }
                venture.intent.outcome()
            })
            .await
    }

    /// Opens a ledger, or writes to it if somebody has.
    async fn open(&self, store: &EventStore, venture: &Venture, key: &str) -> Result<(), Failure> {
        let opened = store
            .with_context(async |ctx| {
                self.desk.runs.fetch_add(1, Ordering::Relaxed);
                let mut ledger = ctx.load_or_create::<Ledger>(key).await?;
                ctx.apply(&mut ledger, Entered { attempt: venture.number })?;
                venture.intent.outcome().map(|()| ledger.id())
            })
            .await?;
        let mut ledgers = self.desk.ledgers();
        if !ledgers.contains(&opened) {
            ledgers.push(opened);
        }
        Ok(())
    }

    async fn transact(
        &self,
        store: &EventStore,
        venture: &Venture,
        ledger: AggregateId,
    ) -> Result<(), Failure> {
        self.desk.runs.fetch_add(1, Ordering::Relaxed);
        let Venture { number, intent, .. } = *venture;
        match self.engine {
            Engine::Memory => unreachable!("BUG: there are no rows beside a log in memory"),
            Engine::Sqlite => sqlite::transact(store, ledger, number, intent).await,
            Engine::Postgres => postgres::transact(store, ledger, number, intent).await,
        }
    }
}
