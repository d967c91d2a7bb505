//! Injects faults: workers are killed, stopped past their lease, or leave and come back, and the database restarts.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::environment::Environment;
use crate::plan::{Engine, Plan};
use crate::process::WorkerProcess;
use crate::report::Trouble;
use crate::worker::LEASE;

const WORKERS: usize = 3;

/// The interval at which the workers are checked.
const TICK: Duration = Duration::from_millis(20);

/// The time limit for a worker to leave after it is asked to.
const LEAVE_WITHIN: Duration = Duration::from_secs(60);

/// The time limit of a restart.
const RESTART_WITHIN: Duration = Duration::from_secs(60);

/// Injects faults into the workers and the database.
#[derive(Debug)]
pub(crate) struct Faults<'a> {
    plan: &'a Plan,
    environment: &'a Environment,
    rng: Rng,
    workers: Vec<State>,
    trouble: Trouble,
}

/// The current state of a worker.
#[derive(Debug)]
enum State {
    Working(WorkerProcess),
    Stopped { process: WorkerProcess, until: Instant },
    Leaving { process: WorkerProcess, until: Instant },
    Away { until: Instant },
}

impl<'a> Faults<'a> {
    /// Starts all workers.
    pub(crate) fn new(plan: &'a Plan, environment: &'a Environment, rng: Rng) -> Result<Self> {
        let mut faults =
            Self { plan, environment, rng, workers: Vec::new(), trouble: Trouble::default() };
        for number in 0..WORKERS {
            let process = faults.start(number)?;
            faults.workers.push(State::Working(process));
        }
        Ok(faults)
    }

    /// Injects faults for this long. The database restarts once in the middle, and at other times by chance.
    pub(crate) async fn inject(&mut self, length: Duration) -> Result<()> {
        let (middle, until) = (Instant::now() + length / 2, Instant::now() + length);
        let restarts = self.trouble.restarts;
        let mut next = Instant::now() + self.millis(200..600);
        while Instant::now() < until {
            sleep(TICK).await;
            self.tend().await?;
            if self.plan.engine.is_shared()
                && self.trouble.restarts == restarts
                && Instant::now() >= middle
            {
                self.restart().await?;
            }
            if Instant::now() >= next {
                self.disturb().await?;
                next = Instant::now() + self.millis(50..300);
            }
        }
        Ok(())
    }

    /// Waits until all workers are working again.
    pub(crate) async fn wait_for_workers(&mut self) -> Result<()> {
        loop {
            self.tend().await?;
            if self.workers.iter().all(|state| matches!(state, State::Working(_))) {
                return Ok(());
            }
            sleep(TICK).await;
        }
    }

    /// Asks all workers to leave, and waits until they have.
    pub(crate) async fn end(mut self) -> Result<Trouble> {
        for state in &mut self.workers {
            if let State::Working(process) = state {
                process.ask_to_leave();
            }
        }
        for state in self.workers {
            if let State::Working(process) = state {
                timeout(LEAVE_WITHIN, process.left())
                    .await
                    .context("a worker does not leave")??;
            }
        }
        Ok(self.trouble)
    }

    /// Waits for a future while tending the workers. Returns `None` after the time limit.
    pub(crate) async fn meanwhile<T, E: Into<anyhow::Error>>(
        &mut self,
        bound: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>> {
        let mut work = std::pin::pin!(work);
        let deadline = Instant::now() + bound;
        loop {
            tokio::select! {
                done = &mut work => return done.map(Some).map_err(Into::into),
                () = sleep(TICK) => self.tend().await?,
                () = sleep_until(deadline) => return Ok(None),
            }
        }
    }

    /// Ends faults whose time is over, and checks that no worker has left unasked.
    async fn tend(&mut self) -> Result<()> {
        let now = Instant::now();
        for number in 0..self.workers.len() {
            let state = std::mem::replace(&mut self.workers[number], State::Away { until: now });
            self.workers[number] = match state {
                State::Working(mut process) => {
                    if !process.is_there()? {
                        process.left().await?;
                        anyhow::bail!("a worker left without a request");
                    }
                    State::Working(process)
                }
                State::Stopped { process, until } if until <= now => {
                    process.resume()?;
                    State::Working(process)
                }
                State::Leaving { mut process, until } => {
                    if process.is_there()? {
                        ensure!(now < until, "a worker does not leave although it was asked to");
                        State::Leaving { process, until }
                    } else {
                        process.left().await?;
                        State::Working(self.start(number)?)
                    }
                }
                State::Away { until } if until <= now => State::Working(self.start(number)?),
                state => state,
            };
        }
        Ok(())
    }

    /// Disturbs a random worker: with each kind of fault once, then with random ones.
    async fn disturb(&mut self) -> Result<()> {
        let number = self.rng.usize(..self.workers.len());
        let is_shared = self.plan.engine.is_shared();
        let Trouble { kills, stops, leaves, .. } = self.trouble;
        if kills == 0 {
            return self.kill(number).await;
        }
        if leaves == 0 {
            self.ask_to_leave(number);
            return Ok(());
        }
        if is_shared && stops == 0 {
            return self.stop(number);
        }
        match self.rng.u8(..40) {
            0 if is_shared => self.restart().await,
            1..=20 if is_shared => self.stop(number),
            21..=35 => self.kill(number).await,
            _ => {
                self.ask_to_leave(number);
                Ok(())
            }
        }
    }

    /// Stops a worker for longer than its lease lasts.
    fn stop(&mut self, number: usize) -> Result<()> {
        let lasts = LEASE.mul_f64(1.0 + self.rng.f64());
        if let Some(process) = self.take(number) {
            process.stop()?;
            self.trouble.stops += 1;
            self.workers[number] = State::Stopped { process, until: Instant::now() + lasts };
        }
        Ok(())
    }

    async fn kill(&mut self, number: usize) -> Result<()> {
        if let Some(process) = self.take(number) {
            process.kill().await?;
            self.trouble.kills += 1;
        }
        Ok(())
    }

    fn ask_to_leave(&mut self, number: usize) {
        if let Some(mut process) = self.take(number) {
            process.ask_to_leave();
            self.trouble.leaves += 1;
            let until = Instant::now() + LEAVE_WITHIN;
            self.workers[number] = State::Leaving { process, until };
        }
    }

    /// Restarts the database. A file has no server that could crash, so all workers on it are killed instead.
    async fn restart(&mut self) -> Result<()> {
        if self.plan.engine == Engine::Sqlite {
            for number in 0..self.workers.len() {
                self.kill(number).await?;
            }
        }
        self.trouble.restarts += 1;
        // A stopped worker may hold a resource that the restart waits for.
        let restarted = self.meanwhile(RESTART_WITHIN, self.environment.restart()).await;
        restarted.context("cannot restart the database")?.context("the database does not restart")
    }

    /// Takes a worker that is working, and marks it as away for a while unless the caller sets another state.
    fn take(&mut self, number: usize) -> Option<WorkerProcess> {
        let away = State::Away { until: Instant::now() + self.millis(0..400) };
        match std::mem::replace(&mut self.workers[number], away) {
            State::Working(process) => Some(process),
            state => {
                self.workers[number] = state;
                None
            }
        }
    }

    fn start(&mut self, number: usize) -> Result<WorkerProcess> {
        self.trouble.starts += 1;
        let name = format!("worker-{number}.{}", self.trouble.starts);
        WorkerProcess::start(self.plan, self.environment, &name)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }
}
