//! Runs all services: starts them stage by stage, watches them, and stops them stage by stage.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use evercore::service::ServiceError;
use futures_util::FutureExt;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::entry::AnyService;
use crate::error::{Cut, EndedBadly, ServicesError};
use crate::journal::Journal;
use crate::restart::RestartPolicy;
use crate::status::Board;
use crate::supervise::{Ended, supervise};

/// The longest wait for an aborted service. It ends at its next await point, unless it blocks its thread.
const ABORTING: Duration = Duration::from_secs(1);

/// The time that a stage waits for the former one before a first warning. Each further wait is twice as long.
const SILENT: Duration = Duration::from_secs(10);

/// The services of a program while they run. Dropping it drops them all.
pub(crate) struct Run {
    board: Board,
    restart: RestartPolicy,
    stop_within: Duration,
    /// The stages that are not started yet, the next one last.
    waiting: Vec<Vec<Waiting>>,
    /// The stages that are started, the first one first.
    started: Vec<Stage>,
    tasks: JoinSet<Ended>,
    ended: EndedBadly,
    holdup: Holdup,
}

/// The time since which a stage waits for the former one.
struct Holdup {
    since: Instant,
    /// The time after which this is logged.
    warn_after: Duration,
}

/// A service that is not started yet.
pub(crate) struct Waiting {
    pub(crate) index: usize,
    pub(crate) journal: Journal,
    pub(crate) service: Box<dyn AnyService>,
}

/// Services that start and stop together.
struct Stage {
    stop: CancellationToken,
    indexes: Vec<usize>,
    /// The services that have not ended.
    running: Vec<Running>,
}

struct Running {
    journal: Journal,
    task: AbortHandle,
}

impl Run {
    /// Takes the services of each stage, the first one first.
    pub(crate) fn new(
        board: Board,
        restart: RestartPolicy,
        stop_within: Duration,
        mut stages: Vec<Vec<Waiting>>,
    ) -> Self {
        stages.retain(|stage| !stage.is_empty());
        stages.reverse();
        Self {
            board,
            restart,
            stop_within,
            waiting: stages,
            started: Vec::new(),
            tasks: JoinSet::new(),
            ended: EndedBadly::default(),
            holdup: Holdup::begin(),
        }
    }

    /// Runs the services until all have ended, one has failed for good, or `stop` completes; then stops those that run.
    /// `at_once` aborts those that have not stopped.
    pub(crate) async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
    ) -> Result<(), ServicesError> {
        tokio::select! {
            biased;
            () = stop => info!("stopping all services"),
            () = self.watch() => {}
        }
        self.leave_out_the_waiting();
        self.stop(at_once).await;
        std::mem::take(&mut self.ended).into_result()
    }

    /// Starts each stage once the services of the former one have started. Returns when all services have ended, or one
    /// has failed for good.
    async fn watch(&mut self) {
        while self.ended.failed().is_empty() {
            let before = self.started.last().map(|stage| &*stage.indexes).unwrap_or_default();
            tokio::select! {
                biased;
                Some(joined) = self.tasks.join_next_with_id() => self.note(joined, None),
                () = self.board.have_started(before), if !self.waiting.is_empty() => self.start_next(),
                () = self.holdup.is_long(), if !self.waiting.is_empty() => {
                    self.holdup.warn(&self.board.not_started(before));
                }
                else => return,
            }
        }
    }

    fn start_next(&mut self) {
        let stop = CancellationToken::new();
        let services = self.waiting.pop().unwrap_or_default();
        let indexes = services.iter().map(|waiting| waiting.index).collect();
        let start = |Waiting { journal, service, .. }| {
            let supervised = supervise(service, journal.clone(), self.restart, stop.clone());
            let task = self.tasks.spawn(supervised);
            Running { journal, task }
        };
        let running = services.into_iter().map(start).collect();
        self.started.push(Stage { stop, indexes, running });
        self.holdup = Holdup::begin();
    }

    fn leave_out_the_waiting(&mut self) {
        for waiting in self.waiting.drain(..).rev().flatten() {
            waiting.journal.left_out();
        }
    }

    /// Stops the stages, the last one first. Each has an equal share of the time that is left. The time in which
    /// aborted services end does not count, so that one which blocks its thread takes none from the others.
    async fn stop(&mut self, at_once: impl Future<Output = ()>) {
        let mut at_once = pin!(at_once.fuse());
        let mut left = self.stop_within;
        while let Some(stage) = self.started.last() {
            stage.stop.cancel();
            let stages = u32::try_from(self.started.len()).unwrap_or(u32::MAX);
            let (within, began) = (left / stages, Instant::now());
            let cut = tokio::select! {
                biased;
                () = self.last_stage_ends() => None,
                () = &mut at_once => Some((0, Cut::SecondSignal)),
                () = sleep(within) => Some((self.started.len() - 1, Cut::Late(within))),
            };
            left = left.saturating_sub(began.elapsed());
            if let Some((from, cut)) = cut {
                self.abort(from, cut).await;
            }
            self.started.pop();
        }
    }

    async fn last_stage_ends(&mut self) {
        while self.started.last().is_some_and(|stage| !stage.running.is_empty())
            && let Some(joined) = self.tasks.join_next_with_id().await
        {
            self.note(joined, None);
        }
    }

    /// Aborts the services of the stages from the one with this index on.
    async fn abort(&mut self, from: usize, cut: Cut) {
        let stages = || self.started.iter().skip(from);
        stages().flat_map(|stage| &stage.running).for_each(|running| running.task.abort());
        let until = Instant::now() + ABORTING;
        while self.started.iter().skip(from).any(|stage| !stage.running.is_empty())
            && let Ok(Some(joined)) = timeout_at(until, self.tasks.join_next_with_id()).await
        {
            self.note(joined, Some(cut));
        }
        for running in self.started.iter_mut().skip(from).flat_map(|stage| stage.running.drain(..))
        {
            self.ended.abort(running.journal.aborted(cut, true));
        }
    }

    /// Notes the end of a task. `cut` is the reason for which tasks are aborted.
    fn note(&mut self, joined: Result<(Id, Ended), JoinError>, cut: Option<Cut>) {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let running = self.started.iter_mut().find_map(|stage| {
            let at = stage.running.iter().position(|running| running.task.id() == id)?;
            Some(stage.running.remove(at))
        });
        // One that could not be aborted has been reported already.
        let Some(Running { journal, .. }) = running else { return };
        match joined {
            Ok((_, Ended::Done | Ended::Stopped)) => {}
            Ok((_, Ended::Failed { error, failures, while_stopping })) => {
                self.ended.fail(&journal.name, error, failures, while_stopping);
            }
            Err(aborted) => match (aborted.try_into_panic(), cut) {
                // Panics are caught unless an aborted service is dropped.
                (Ok(panic), _) => {
                    let error = ServiceError::panicked(&*panic);
                    journal.failed_to_stop(&error);
                    self.ended.fail(&journal.name, error, 1, true);
                }
                (Err(_), Some(cut)) => self.ended.abort(journal.aborted(cut, false)),
                (Err(_), None) => {
                    let error = ServiceError::permanent("the tokio runtime is shutting down");
                    journal.failed_to_stop(&error);
                    self.ended.fail(&journal.name, error, 1, true);
                }
            },
        }
    }
}

impl Holdup {
    fn begin() -> Self {
        Self { since: Instant::now(), warn_after: SILENT }
    }

    async fn is_long(&self) {
        sleep_until(self.since + self.warn_after).await;
    }

    /// Logs the services that the next stage waits for.
    fn warn(&mut self, services: &[Arc<str>]) {
        let (waited, services) = (self.warn_after, services.join(", "));
        warn!(?waited, services, "a stage is not started, since `services` are not ready");
        self.warn_after *= 2;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.leave_out_the_waiting();
        for running in self.started.iter().flat_map(|stage| &stage.running) {
            running.journal.dropped();
        }
    }
}
