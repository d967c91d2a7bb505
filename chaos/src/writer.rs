//! Writers that conflict with each other.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercore::{AggregateId, Error, EventStore};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::domain::{Course, Entered, Ledger, Moved, Student};
use crate::environment::Opened;
use crate::plan::Engine;
use crate::{postgres, sqlite};

/// The maximum number of ledgers. There are few, so that writers conflict.
const LEDGERS: usize = 40;

/// The numbers of courses and students in use at a time: few, so that decisions meet.
const COURSES: u32 = 3;
const STUDENTS: u32 = 5;

/// The number of attempts after which other courses and students are used, so that boundaries stay small.
const TERM: i64 = 400;

/// The pause of a writer, in microseconds, to let the handlers keep up.
const REST: Range<u64> = 5_000..25_000;

/// The state that all writers share.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    ledgers: Mutex<Vec<AggregateId>>,
    last_attempt: AtomicI64,
    /// The number of times that a closure was run.
    runs: AtomicU64,
}

/// A planned attempt of a writer.
#[derive(Debug)]
pub(crate) struct Venture {
    number: i64,
    intent: Intent,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// Opens a ledger under this key, or finds the existing one.
    Open { key: String },
    /// Writes this many events to each of these ledgers, provided that the guarded one is unchanged.
    Enter { ledgers: Vec<AggregateId>, each: usize, guarded: Option<AggregateId> },
    /// Writes an event together with a row.
    Transact { ledger: AggregateId },
    /// Decides on a course and a student, and writes to a ledger if there is one.
    Move { course: u32, student: u32, ledger: Option<AggregateId> },
}

/// An attempt of a writer and its outcome.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) number: i64,
    /// The number of events.
    pub(crate) events: usize,
    pub(crate) told: Told,
    pub(crate) beside: Beside,
}

/// The answer that a writer received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Landed,
    /// The writer's own closure failed.
    RolledBack,
    /// The attempt was not committed and never will be: a conflict, or the database was away.
    Refused,
    Unknown,
}

/// Whether the user's own row is written with the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Beside {
    Row,
    Nothing,
}

/// Whether the closure should succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Land,
    RollBack,
}

/// The reason why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the writer rolls back on purpose")]
    RolledBack,
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] Error),
}

/// A writer.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) opened: Opened,
    /// A store on the engine itself, which transactions of user code need.
    pub(crate) direct: Opened,
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
    /// Describes the attempt with this answer.
    pub(crate) fn told(&self, told: Told) -> Attempt {
        let (events, beside) = match &self.work {
            Work::Open { .. } => (1, Beside::Nothing),
            Work::Enter { ledgers, each, .. } => (ledgers.len() * each, Beside::Nothing),
            Work::Transact { .. } => (1, Beside::Row),
            Work::Move { ledger, .. } => (1 + usize::from(ledger.is_some()), Beside::Nothing),
        };
        Attempt { number: self.number, events, told, beside }
    }

    pub(crate) fn is_to_land(&self) -> bool {
        self.intent == Intent::Land
    }
}

impl Desk {
    /// Creates a desk whose first attempt has the next number.
    pub(crate) fn after(last_attempt: i64) -> Self {
        Self { last_attempt: AtomicI64::new(last_attempt), ..Self::default() }
    }

    /// Returns the number of reruns of closures in this many attempts.
    pub(crate) fn reruns(&self, attempts: usize) -> u64 {
        let attempts = u64::try_from(attempts).unwrap_or(u64::MAX);
        self.runs.load(Ordering::Relaxed).saturating_sub(attempts)
    }

    fn ledgers(&self) -> std::sync::MutexGuard<'_, Vec<AggregateId>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes until `until`, and returns the attempts with their answers.
    ///
    /// # Errors
    /// An error that trouble with the database does not explain.
    pub(crate) async fn run(mut self, until: Instant) -> Result<Vec<Attempt>, Failure> {
        let mut attempts = Vec::new();
        while Instant::now() < until {
            let venture = self.venture();
            attempts.push(venture.told(self.attempt(&venture).await?));
            self.rest().await;
        }
        Ok(attempts)
    }

    /// Plans a random attempt.
    pub(crate) fn venture(&mut self) -> Venture {
        let number = self.desk.last_attempt.fetch_add(1, Ordering::Relaxed) + 1;
        let ledgers = self.desk.ledgers().clone();
        let intent = if self.rng.u8(..8) == 0 { Intent::RollBack } else { Intent::Land };
        let work = if self.engine.is_shared() && !ledgers.is_empty() && self.rng.u8(..6) == 0 {
            Work::Transact { ledger: ledgers[self.rng.usize(..ledgers.len())] }
        } else if self.rng.u8(..4) == 0 {
            let term = u32::try_from(number / TERM).unwrap_or_default();
            let course = term * COURSES + self.rng.u32(..COURSES);
            let student = term * STUDENTS + self.rng.u32(..STUDENTS);
            let ledger = self.rng.choice(ledgers).filter(|_| self.rng.u8(..3) == 0);
            Work::Move { course, student, ledger }
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

    /// Makes the attempt and returns its answer.
    ///
    /// # Errors
    /// An error that trouble with the database does not explain.
    pub(crate) async fn attempt(&mut self, venture: &Venture) -> Result<Told, Failure> {
        let store = self.opened.get();
        let ended = match &venture.work {
            Work::Open { key } => self.open(&store, venture, key).await,
            Work::Enter { ledgers, each, guarded } => {
                self.enter(&store, venture, ledgers, *each, *guarded).await
            }
            Work::Transact { ledger } => self.transact(&self.direct.get(), venture, *ledger).await,
            Work::Move { course, student, ledger } => {
                self.decide(&store, venture, (*course, *student), *ledger).await
            }
        };
        match ended {
            Ok(()) => Ok(Told::Landed),
            Err(Failure::RolledBack) => Ok(Told::RolledBack),
            Err(Failure::Store(Error::OutcomeUnknown { .. })) => Ok(Told::Unknown),
            Err(Failure::Store(error)) if error.is_retryable() => Ok(Told::Refused),
            // The store has just been closed and reopened.
            Err(Failure::Store(Error::Closed)) => Ok(Told::Refused),
            // The server went away during the user's own statement, so nothing was committed.
            Err(Failure::Statement(_)) => Ok(Told::Refused),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn rest(&mut self) {
        sleep(Duration::from_micros(self.rng.u64(REST))).await;
    }

    /// Writes to ledgers that other writers use as well.
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

    /// Decides on a course and a student that other writers decide on as well.
    async fn decide(
        &mut self,
        store: &EventStore,
        venture: &Venture,
        (course, student): (u32, u32),
        ledger: Option<AggregateId>,
    ) -> Result<(), Failure> {
        let think = Duration::from_micros(self.rng.u64(..2_000));
        store
            .with_context(async |ctx| {
                self.desk.runs.fetch_add(1, Ordering::Relaxed);
                let (of_course, of_student) =
                    ctx.read((Course::of(course), Student::of(student))).await?;
                if let Some(ledger) = ledger {
                    let mut ledger = ctx.load::<Ledger>(ledger).await?;
                    ctx.apply(&mut ledger, Entered { attempt: venture.number })?;
                }
                sleep(think).await;
                let places = ((course, &of_course), (student, &of_student));
                ctx.emit(Moved::decide(venture.number, places.0, places.1))?;
                venture.intent.outcome()
            })
            .await
    }

    /// Opens a ledger, or writes to it if it already exists.
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
