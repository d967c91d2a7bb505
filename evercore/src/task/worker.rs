//! Runs a worker: claims tasks, handles several at a time, and renews their leases.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Fuse;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::attempt::{Attempting, Outcome};
use super::config::{Config, MAX_CLAIM, SHORTEST_WAIT};
use super::leases::Leases;
use super::slots::{Slot, Slots};
use crate::engine::{Backoff, LogWatch, StoredPlace, StoredTask, TaskClaim, TaskLease};
use crate::{Error, Report, Result};

/// The waits after looks that have failed.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(40), Duration::from_secs(2));

/// The time for which a worker claims in advance, at its present speed. So a look is worth its round trip if tasks are
/// small, and no task waits for a slow one of its page while another worker is idle.
const AHEAD: Duration = Duration::from_millis(20);

/// The longest time until a worker that has begun does what is to be done beside its tasks.
const FIRST_UPKEEP: Duration = Duration::from_secs(60);

/// Works until the worker is stopped or cannot continue.
pub(super) async fn run(config: &Config) -> Result<()> {
    let leases = Leases::default();
    let work = Worker::new(config, leases.clone()).work();
    let engine = &*config.attempting.store.inner.engine;
    let ended = tokio::select! {
        biased;
        ended = work => ended,
        never = leases.keep(engine, config.attempting.lease) => never,
        never = keep_up(config) => never,
    };
    match &ended {
        Ok(()) => {
            info!(queue = %config.name, owner = config.owner, "a worker of a queue was stopped")
        }
        Err(error) if config.lifecycle.is_some() || matches!(error, Error::Closed) => {
            warn!(queue = %config.name, error = %Report::new(error), "a worker of a queue has ended");
        }
        Err(error) => {
            error!(queue = %config.name, error = %Report::new(error), "a worker of a queue has ended");
        }
    }
    ended
}

/// Does what is to be done beside the tasks, now and then. Never ends by itself.
async fn keep_up(config: &Config) -> ! {
    let Attempting { store, handlers, .. } = &*config.attempting;
    let Some(keep_up) = handlers.upkeep() else { match pending::<Infallible>().await {} };
    // Workers that are started together do not do it together.
    sleep(FIRST_UPKEEP.mul_f64(store.inner.random())).await;
    loop {
        let wait = keep_up(store.clone()).await;
        sleep(wait).await;
    }
}

/// Handles one task in the caller's task, and renews its lease meanwhile.
pub(super) async fn attempt_alone(config: &Config, task: StoredTask) -> Result<Outcome> {
    let leases = Leases::default();
    leases.hold(lease_of(&task));
    let slot = Slots::new(1).take().expect("BUG: there is one");
    let engine = &*config.attempting.store.inner.engine;
    tokio::select! {
        biased;
        outcome = config.attempting.attempt(task, &slot) => outcome,
        never = leases.keep(engine, config.attempting.lease) => never,
    }
}

struct Worker<'a> {
    config: &'a Config,
    leases: Leases,
    slots: Slots,
    /// The tasks that have begun.
    running: JoinSet<Done>,
    /// Tasks that are claimed and not begun.
    claimed: VecDeque<StoredTask>,
    /// A task that may have ended its worker before. Nothing is claimed until it is done, and nothing runs beside it.
    alone: Option<TaskLease>,
    look_at: Instant,
    /// The time at which to look again, of which the worker has learnt since it began to look.
    wake_at: Option<Instant>,
    failed_looks: u32,
    /// The time for which a task has kept others from a slot lately.
    pace: Option<Duration>,
    is_paused: bool,
}

struct Done {
    lease: TaskLease,
    outcome: Result<Outcome>,
    /// The time that its handler has taken.
    handled: Duration,
    took: Duration,
}

impl<'a> Worker<'a> {
    fn new(config: &'a Config, leases: Leases) -> Self {
        Self {
            config,
            leases,
            slots: Slots::new(config.concurrency),
            running: JoinSet::new(),
            claimed: VecDeque::new(),
            alone: None,
            look_at: Instant::now(),
            wake_at: None,
            failed_looks: 0,
            pace: None,
            is_paused: false,
        }
    }

    async fn work(mut self) -> Result<()> {
        let config = self.config;
        let mut watch = config.tasks().watch_queue(&config.name);
        if let Some(lifecycle) = &config.lifecycle {
            lifecycle.ready();
        }
        let mut look = pin!(Fuse::terminated());
        let mut is_looking = false;
        let mut ended = loop {
            self.begin_claimed();
            let is_wanted = !is_looking && self.wants_more();
            let is_full = self.slots.free() == 0 && self.running.len() < config.most_begun();
            if is_wanted && self.look_at <= Instant::now() {
                let limit = self.limit();
                self.wake_at = None;
                look.set(async move { (limit, config.claim(limit).await) }.fuse());
                is_looking = true;
                continue;
            }
            tokio::select! {
                biased;
                () = config.stop.cancelled() => break Ok(()),
                Some(done) = self.running.join_next() => {
                    if let Err(error) = self.finish(done) {
                        break Err(error);
                    }
                }
                (limit, claim) = &mut look => {
                    is_looking = false;
                    if let Err(error) = self.take(limit, claim, &watch) {
                        break Err(error);
                    }
                }
                () = self.slots.freed(), if is_full => {}
                () = watch.notified() => self.wake(Instant::now()),
                () = sleep_until(self.look_at), if is_wanted => {}
            }
        };
        if is_looking {
            // It may have claimed tasks, which are given back.
            let (limit, claim) = look.await;
            self.take(limit, claim, &watch).ok();
        }
        self.give_back().await;
        while let Some(done) = self.running.join_next().await {
            ended = ended.and(self.finish(done));
        }
        ended
    }

    fn begin_claimed(&mut self) {
        while let Some(task) = self.claimed.pop_front() {
            let lease = lease_of(&task);
            if !self.leases.holds(&lease) {
                continue;
            }
            let most = if task.is_abandoned { 1 } else { self.config.most_begun() };
            let slot = if self.running.len() < most { self.slots.take() } else { None };
            let Some(slot) = slot else {
                self.claimed.push_front(task);
                return;
            };
            self.begin(task, &lease, slot);
        }
    }

    fn begin(&mut self, task: StoredTask, lease: &TaskLease, slot: Slot) {
        let (attempting, of_task) = (Arc::clone(&self.config.attempting), lease.clone());
        let handling = self.running.spawn(async move {
            let began = Instant::now();
            let outcome = attempting.attempt(task, &slot).await;
            Done { lease: of_task, outcome, handled: slot.held_for(), took: began.elapsed() }
        });
        // The lease may have been lost meanwhile.
        if !self.leases.begin(lease, handling.clone()) {
            handling.abort();
        }
    }

    /// Makes the worker look again at this time.
    fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        self.look_at = self.look_at.min(at);
    }

    fn wants_more(&self) -> bool {
        let is_alone = self.alone.as_ref().is_some_and(|lease| self.leases.holds(lease));
        !is_alone && self.claimed.len() <= self.ahead() / 2 && self.missing() > 0
    }

    /// Returns how many tasks are claimed beside those that run.
    fn ahead(&self) -> usize {
        let Some(pace) = self.pace.filter(|pace| *pace < AHEAD) else { return 0 };
        let each = pace.as_nanos().max(1);
        let in_time = usize::try_from(AHEAD.as_nanos() / each).unwrap_or(usize::MAX);
        in_time.saturating_mul(self.config.concurrency).min(MAX_CLAIM as usize)
    }

    /// Returns how many tasks are to be claimed.
    fn missing(&self) -> usize {
        let handling = self.config.concurrency.saturating_sub(self.slots.free());
        let has_room = self.running.len() < self.config.most_begun();
        let wanted = if has_room { self.config.concurrency + self.ahead() } else { self.ahead() };
        wanted.saturating_sub(handling + self.claimed.len())
    }

    fn limit(&self) -> u32 {
        u32::try_from(self.missing()).unwrap_or(u32::MAX).clamp(1, MAX_CLAIM)
    }

    fn take(&mut self, limit: u32, claim: Result<TaskClaim>, watch: &LogWatch) -> Result<()> {
        let poll = self.config.poll_interval.unwrap_or_else(|| watch.poll_interval());
        let now = Instant::now();
        let TaskClaim { tasks, paused, next_due } = match claim {
            Ok(claim) => claim,
            Err(error) if error.is_retryable() => {
                warn!(queue = %self.config.name, error = %Report::new(&error), "cannot look for tasks; retrying");
                self.failed_looks = self.failed_looks.saturating_add(1);
                self.look_at = now + BACKOFF.wait_after(self.failed_looks, 1.0);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.failed_looks = 0;
        if paused != std::mem::replace(&mut self.is_paused, paused) {
            let (queue, state) = (&self.config.name, if paused { "paused" } else { "resumed" });
            info!(%queue, state, "the queue was paused or resumed");
        }
        let is_full = tasks.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let soonest = if tasks.is_empty() { SHORTEST_WAIT } else { Duration::ZERO };
        let wait = next_due.map_or(poll, |due| due.max(soonest).min(poll));
        let next = if is_full { now } else { now + wait };
        self.look_at = self.wake_at.map_or(next, |wake_at| next.min(wake_at));
        for task in tasks {
            if task.is_abandoned {
                self.alone = Some(lease_of(&task));
                // Others may be due beside it.
                self.look_at = now;
            }
            self.leases.hold(lease_of(&task));
            self.claimed.push_back(task);
        }
        Ok(())
    }

    fn finish(&mut self, done: std::result::Result<Done, tokio::task::JoinError>) -> Result<()> {
        let Done { lease, outcome, handled, took } = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                // The panics of handlers are caught where they are called, except for those of dropping their futures.
                Ok(panic) => std::panic::resume_unwind(panic),
                // Its lease was lost.
                Err(_aborted) => return Ok(()),
            },
        };
        self.leases.forget(&lease);
        let kept = self.config.kept(handled, took);
        self.pace = Some(match self.pace {
            Some(pace) => (pace * 7 + kept) / 8,
            None => kept,
        });
        if let Outcome::Again(wait) = outcome? {
            self.wake(Instant::now() + wait);
        }
        Ok(())
    }

    /// Gives back the tasks that are not begun.
    async fn give_back(&mut self) {
        let (abandoned, others): (Vec<_>, Vec<_>) =
            self.claimed.drain(..).partition(|task| task.is_abandoned);
        let [abandoned, others] =
            [abandoned, others].map(|tasks| tasks.iter().map(lease_of).collect::<Vec<_>>());
        abandoned.iter().chain(&others).for_each(|lease| self.leases.forget(lease));
        let tasks = self.config.tasks();
        if !others.is_empty() {
            self.warn_unless_given_back(others.len(), tasks.release(&others).await);
        }
        if !abandoned.is_empty() {
            // Its lease ends at once: a task that was released would not be claimed alone the next time.
            let ended = tasks.renew(&abandoned, Duration::ZERO).await;
            self.warn_unless_given_back(abandoned.len(), ended.map(drop));
        }
    }

    fn warn_unless_given_back(&self, tasks: usize, given_back: Result<()>) {
        if let Err(error) = given_back {
            warn!(queue = %self.config.name, tasks, error = %Report::new(&error), "cannot give tasks back; they are given again after their leases");
        }
    }
}

fn lease_of(task: &StoredTask) -> TaskLease {
    match &task.place {
        StoredPlace::Claimed { token, .. } => {
            TaskLease { queue: task.queue.clone(), id: task.id, token: *token }
        }
        place => unreachable!("BUG: a claim has returned a task that is {place:?}"),
    }
}
