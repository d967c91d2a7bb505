//! Kills a process that writes and follows the log, again and again, and each time compares the log with the answers
//! that the process received.
//!
//! The process reports each attempt before making it, and its outcome, through a pipe that outlives the process. Kills
//! come at any moment: while it opens the database and recovers after its predecessor, while it commits, and while its
//! handlers write in their transactions.

mod committer;
mod line;
mod process;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use evercore_testing::history::{self, Check, History};
use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::Ledger;
use crate::environment::Environment;
use crate::journal;
use crate::plan::{Engine, Plan};
use crate::run::{Log, damage, log, parked};
use crate::verdict::Evidence;
use crate::violation::Violation;
use crate::worker::{AT_LEAST_ONCE, EXACTLY_ONCE, LEASE, PARKING};
use crate::writer::Attempt;

pub use committer::CommitterDuty;
pub(crate) use committer::commit_and_follow;
pub use report::KillReport;

use process::{CommitterProcess, Heard};

/// The time limit for the process to start, and for handling the remaining events at the end.
const WITHIN: Duration = Duration::from_secs(120);

/// A process reports about four lines per attempt.
const MOST_LINES: usize = 200;

/// The full history is checked at one in this many checks, and at the end.
const BETWEEN_CHECKS: usize = 10;

/// The kills of a run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Kills {
    engine: Engine,
    program: PathBuf,
    number: usize,
    seed: u64,
    acknowledge: Acknowledge,
}

/// When an attempt is reported as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Acknowledge {
    /// Once the store has acknowledged it.
    Afterwards,
    /// The control: before the attempt is made.
    Beforehand,
}

/// The reports of all killed processes.
#[derive(Debug, Default)]
struct Reported {
    attempts: Vec<Attempt>,
    last_attempt: i64,
    /// The observations of all commits except those with a user's row.
    history: History,
    kills: usize,
    /// The number of kills before the process had opened the database.
    early: usize,
}

impl Acknowledge {
    const fn name(self) -> &'static str {
        match self {
            Self::Afterwards => "afterwards",
            Self::Beforehand => "beforehand",
        }
    }
}

impl Kills {
    /// Creates a run with this many kills. The engine's database must outlive a process. `program` is the executable of
    /// this crate.
    pub fn new(engine: Engine, program: impl Into<PathBuf>, number: usize) -> Self {
        Self {
            engine,
            program: program.into(),
            number,
            seed: fastrand::u64(..),
            acknowledge: Acknowledge::Afterwards,
        }
    }

    /// Sets the seed of the random choices. Kills still hit the process at different steps in each run. Default:
    /// random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets when an attempt is reported as committed; [`Acknowledge::Beforehand`] is the control.
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// Kills processes, checks the log regularly, and reports the result. Stops when a check finds a broken promise.
    ///
    /// # Errors
    /// If something fails that kills do not explain: a process that ends by itself, or handlers that never finish. A
    /// broken promise is not an error; the report contains it.
    pub async fn run(&self) -> Result<KillReport> {
        ensure!(self.engine.is_shared(), "a log in memory does not outlive its process");
        let mut rng = Rng::with_seed(self.seed);
        let started = Instant::now();
        let environment = Environment::set_up(&Plan::new(self.engine, &self.program)).await?;
        let mut reported = Reported::default();
        while reported.kills < self.number {
            environment.step_back().await?;
            self.kill_one(&environment, &mut rng, &mut reported)
                .await
                .with_context(|| format!("at kill {}, seed {}", reported.kills + 1, self.seed))?;
            // The next process recovers after the killed one, unless this check opens the database first.
            if rng.bool() || reported.kills == self.number {
                environment.step_up().await?;
                let Log { entries, moves } = log(&environment.store()).await?;
                let evidence = Evidence {
                    log: entries,
                    moves,
                    damage: damage(&environment.store()).await?,
                    attempts: reported.attempts.clone(),
                    written: environment.written().await?,
                    ..Evidence::default()
                };
                let mut violations = evidence.violations_so_far();
                if reported.kills % BETWEEN_CHECKS == 0 {
                    violations.extend(check_history(&environment, &reported.history).await?);
                }
                if !violations.is_empty() {
                    return Ok(self.report(&reported, &evidence, violations, started));
                }
            }
        }
        let evidence = self.end_in_peace(&environment, reported.attempts.clone()).await?;
        let mut violations = evidence.violations();
        violations.extend(check_history(&environment, &reported.history).await?);
        Ok(self.report(&reported, &evidence, violations, started))
    }

    async fn kill_one(
        &self,
        environment: &Environment,
        rng: &mut Rng,
        reported: &mut Reported,
    ) -> Result<()> {
        let mut process =
            CommitterProcess::start(self, environment, rng.u64(..), reported.last_attempt)?;
        let is_early = rng.u8(..6) == 0;
        if is_early {
            sleep(Duration::from_micros(rng.u64(..12_000))).await;
        } else {
            // Counted in reported lines, not in time, so that a slow machine gets as much done before a kill.
            let lines = rng.usize(1..MOST_LINES);
            timeout(WITHIN, process.hear(lines))
                .await
                .context("the process reports nothing more")??;
            let moment = match rng.u8(..8) {
                // Long enough for the leases of the previous process to expire, so that handlers are running.
                0 => LEASE + Duration::from_micros(rng.u64(..300_000)),
                _ => Duration::from_micros(rng.u64(..3_000)),
            };
            sleep(moment).await;
        }
        let Heard { attempts, last_attempt, opened, history } = process.kill().await?;
        // This process began after all earlier ones had ended.
        reported.history = std::mem::take(&mut reported.history).then(history);
        reported.attempts.extend(attempts);
        reported.last_attempt = reported.last_attempt.max(last_attempt);
        reported.kills += 1;
        reported.early += usize::from(!opened);
        Ok(())
    }

    /// Lets a process without writers handle the remaining events, and collects all evidence.
    async fn end_in_peace(
        &self,
        environment: &Environment,
        attempts: Vec<Attempt>,
    ) -> Result<Evidence> {
        let files = environment.files();
        let follower = CommitterProcess::follow(self, environment)?;
        let store = environment.store();
        let idle = async || -> Result<()> {
            for name in [EXACTLY_ONCE, AT_LEAST_ONCE, PARKING] {
                let done = timeout(WITHIN, store.wait_until_idle(name)).await;
                let Ok(done) = done else {
                    bail!("`{name}` has not finished {WITHIN:?} after the last fault")
                };
                done?;
            }
            Ok(())
        };
        idle().await?;
        let before_redrive = journal::read(&files.parking())?;
        let parked_before = parked(&store).await?;
        std::fs::write(files.mended(), "")?;
        store.subscriptions().redrive(PARKING).await?;
        idle().await?;
        let Log { entries, moves } = log(&store).await?;
        let evidence = Evidence {
            log: entries,
            moves,
            damage: damage(&store).await?,
            attempts,
            written: environment.written().await?,
            at_least_once: journal::read(&files.at_least_once())?,
            before_redrive,
            parked: parked_before,
            left_parked: parked(&store).await?,
            after_redrive: journal::read(&files.parking())?,
            moved_back: None,
        };
        follower.leave().await?;
        Ok(evidence)
    }

    fn report(
        &self,
        reported: &Reported,
        evidence: &Evidence,
        violations: Vec<Violation>,
        started: Instant,
    ) -> KillReport {
        let handled = evidence.written.as_ref().map_or(0, |written| written.handled.len());
        let events = (evidence.log.len(), evidence.moves.len());
        KillReport::new(self, reported, events, handled, violations, started.elapsed())
    }
}

async fn check_history(environment: &Environment, history: &History) -> Result<Vec<Violation>> {
    let check = Check::of(history).unobserved_writers().states_of::<Ledger>();
    let verdict = check.run(&environment.store()).await?;
    // An undecided order is not a violation: interrupted commits may allow more orders than the search can try.
    let found = verdict.violations().iter();
    let found = found.filter(|found| !matches!(found, history::Violation::Undecided { .. }));
    Ok(found.map(|found| Violation::History { problem: found.to_string() }).collect())
}
