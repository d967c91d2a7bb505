//! A process that writes and follows the log is killed, again and again, and each time the log is held against what that
//! process was told.
//!
//! It reports every attempt before it makes it, and what it was told of it, through a pipe that outlives it. Kills come
//! at any moment: while it opens the database and recovers what the one before it has left, while it commits, and while
//! its handlers write in their transactions.

mod committer;
mod line;
mod post;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::conduct::{log, parked};
use crate::journal;
use crate::plan::{Engine, Plan};
use crate::stage::Stage;
use crate::verdict::Evidence;
use crate::violation::Violation;
use crate::worker::{AT_LEAST_ONCE, EXACTLY_ONCE, LEASE, PARKING};
use crate::writer::Attempt;

pub use committer::CommitterDuty;
pub(crate) use committer::commit_and_follow;
pub use report::KillReport;

use post::{CommitterPost, Heard};

/// The longest that it may take to begin, or to handle what is left in the end.
const WITHIN: Duration = Duration::from_secs(120);

/// Which kills there are to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Kills {
    engine: Engine,
    program: PathBuf,
    number: usize,
    seed: u64,
    acknowledge: Acknowledge,
}

/// When an attempt is reported as landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Acknowledge {
    /// Once the store says so.
    Afterwards,
    /// The control: before it is made.
    Beforehand,
}

/// What all processes that were killed have reported.
#[derive(Debug, Default)]
struct Reported {
    attempts: Vec<Attempt>,
    last_attempt: i64,
    kills: usize,
    /// Kills before the process had opened the database.
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
    /// So many kills on an engine whose database outlives a process. `program` is this crate's own.
    pub fn new(engine: Engine, program: impl Into<PathBuf>, number: usize) -> Self {
        Self {
            engine,
            program: program.into(),
            number,
            seed: fastrand::u64(..),
            acknowledge: Acknowledge::Afterwards,
        }
    }

    /// Sets what the random choices come from. Kills meet the process at other steps in each run all the same. Default:
    /// random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets when an attempt is reported as landed: [`Acknowledge::Beforehand`] is the control.
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// Kills, looks each time, and says what came of it. Stops at the first look that finds a promise broken.
    ///
    /// # Errors
    /// If something fails that no kill excuses: a process that ends by itself, or handlers that never get done. A
    /// promise that is broken is no error; the report holds it.
    pub async fn run(&self) -> Result<KillReport> {
        ensure!(self.engine.is_shared(), "a log in memory does not outlive its process");
        let mut rng = Rng::with_seed(self.seed);
        let started = Instant::now();
        let stage = Stage::set(&Plan::new(self.engine, &self.program)).await?;
        let mut reported = Reported::default();
        while reported.kills < self.number {
            stage.step_back().await?;
            self.kill_one(&stage, &mut rng, &mut reported)
                .await
                .with_context(|| format!("at kill {}, seed {}", reported.kills + 1, self.seed))?;
            // What a process has left is recovered by this one or, as often, by the next that is killed.
            if rng.bool() || reported.kills == self.number {
                stage.step_up().await?;
                let evidence = Evidence {
                    log: log(&stage.store()).await?,
                    attempts: reported.attempts.clone(),
                    written: stage.written().await?,
                    ..Evidence::default()
                };
                let violations = evidence.violations_so_far();
                if !violations.is_empty() {
                    return Ok(self.report(&reported, &evidence, violations, started));
                }
            }
        }
        let evidence = self.end_in_peace(&stage, reported.attempts.clone()).await?;
        let violations = evidence.violations();
        Ok(self.report(&reported, &evidence, violations, started))
    }

    async fn kill_one(&self, stage: &Stage, rng: &mut Rng, reported: &mut Reported) -> Result<()> {
        let mut post = CommitterPost::start(self, stage, rng.u64(..), reported.last_attempt)?;
        let is_early = rng.u8(..6) == 0;
        if is_early {
            sleep(Duration::from_micros(rng.u64(..12_000))).await;
        } else {
            timeout(WITHIN, post.opened()).await.context("it never opened the database")??;
            let moment = match rng.u8(..8) {
                // Long enough for the leases of the one before it to end, so that handlers are at work.
                0 => LEASE + Duration::from_micros(rng.u64(..300_000)),
                _ => Duration::from_micros(rng.u64(..120_000)),
            };
            sleep(moment).await;
        }
        let Heard { attempts, last_attempt, opened } = post.kill().await?;
        reported.attempts.extend(attempts);
        reported.last_attempt = reported.last_attempt.max(last_attempt);
        reported.kills += 1;
        reported.early += usize::from(!opened);
        Ok(())
    }

    /// Has a process that writes nothing handle what is left, and gathers all there is to know.
    async fn end_in_peace(&self, stage: &Stage, attempts: Vec<Attempt>) -> Result<Evidence> {
        let files = stage.files();
        let follower = CommitterPost::follow(self, stage)?;
        let store = stage.store();
        let idle = async || -> Result<()> {
            for name in [EXACTLY_ONCE, AT_LEAST_ONCE, PARKING] {
                let done = timeout(WITHIN, store.wait_until_idle(name)).await;
                let Ok(done) = done else {
                    bail!("`{name}` is not done after {WITHIN:?} in peace")
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
        let evidence = Evidence {
            log: log(&store).await?,
            attempts,
            written: stage.written().await?,
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
        KillReport::new(self, reported, evidence.log.len(), handled, violations, started.elapsed())
    }
}
