//! Makes one attempt at a task, and records its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::claimed::{About, TaskError};
use super::handlers::{Completed, Delivery, Handled, Handlers};
use super::slots::Slot;
use crate::context::Reading;
use crate::engine::{Backoff, Completion, FailedAttempt, StoredPlace, StoredTask, TaskLease};
use crate::report::panic_message;
use crate::store::attempt::Attempt;
use crate::{Context, Error, EventStore, HandlerRetry, Report, Result, with_metadata};

/// The waits while an outcome cannot be recorded.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(40), Duration::from_secs(2));

/// What an attempt needs beside the task.
#[derive(Clone, Debug)]
pub(super) struct Attempting {
    pub(super) store: EventStore,
    pub(super) handlers: Handlers,
    pub(super) retry: HandlerRetry,
    pub(super) time_limit: Option<Duration>,
    pub(super) lease: Duration,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It has failed, and the next attempt is after this time.
    Again(Duration),
    Dead,
    /// The lease was lost meanwhile, so that nothing was recorded.
    Lost,
}

impl Attempting {
    /// Gives a claimed task to its handler, which has the slot, and records the outcome.
    ///
    /// # Errors
    /// The engine's error if a failure cannot be recorded, and waiting does not help.
    pub(super) async fn attempt(&self, task: StoredTask, slot: &Slot) -> Result<Outcome> {
        let token = match &task.place {
            StoredPlace::Claimed { token, .. } => *token,
            place => unreachable!("BUG: a claim has returned a task that is {place:?}"),
        };
        let about = Arc::new(About::new(&task, token));
        let last_failure = task.failure.clone();
        if let Some(given_up) = self.given_up(&about, last_failure.as_deref()) {
            return self.record_failure(&about, &given_up).await;
        }
        let delivery = Delivery { task, about: Arc::clone(&about), slot: slot.clone() };
        let handled = with_metadata(about.as_cause(), self.bounded(delivery)).await;
        slot.give_back();
        let completed = match handled {
            Ok(Completed::WithItsEffects) => Ok(()),
            Ok(Completed::NotYet) => self.complete(&about.lease).await,
            Err(error) => Err(error),
        };
        match completed {
            Ok(()) => Ok(Outcome::Done),
            Err(error) if is_lost(&error, &about.lease) => Ok(lost(&about.lease)),
            Err(error) => self.record_failure(&about, &error).await,
        }
    }

    /// A task whose attempts have all ended without an outcome is not tried for ever: it may be the reason why its
    /// workers are gone.
    fn given_up(&self, about: &About, failure: Option<&str>) -> Option<TaskError> {
        let before = about.attempt.saturating_sub(1);
        let is_over = before > 0 && self.retry.wait_after(before, 0.0).is_none();
        is_over.then(|| {
            let last = failure.map(|failure| format!("; the last failure was: {failure}"));
            let last = last.unwrap_or_default();
            TaskError::permanent(format!(
                "{before} attempts have ended, the last without an outcome, as if its process had ended{last}"
            ))
        })
    }

    /// Runs the handler within its time limit, and turns a panic into a failure like any other.
    async fn bounded(&self, delivery: Delivery) -> Handled {
        let handling = self.handlers.handle(&self.store, delivery);
        let caught = AssertUnwindSafe(handling).catch_unwind();
        let ended = match self.time_limit {
            Some(limit) => match timeout(limit, caught).await {
                Ok(ended) => ended,
                Err(_elapsed) => return Err(Error::TaskTimedOut { limit }.into()),
            },
            None => caught.await,
        };
        ended.unwrap_or_else(|panic| {
            Err(TaskError::new(format!("the handler panicked: {}", panic_message(&*panic))))
        })
    }

    /// Records that a task is done whose handler has written nothing with it.
    async fn complete(&self, lease: &TaskLease) -> Result<(), TaskError> {
        let began = tokio::time::Instant::now();
        let mut failed = 0;
        loop {
            let mut reruns = self.store.begin(Reading::Storage)?;
            let attempt = self.store.attempt(&mut reruns, async |ctx: &mut Context| {
                ctx.complete(Completion::Task(lease.clone()));
                Ok::<_, Error>(())
            });
            let error = match attempt.await.map_err(Attempt::into_error) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            failed += 1;
            // The handler has done its work: better to wait than to do it again.
            if !error.is_retryable() || began.elapsed() > self.lease {
                return Err(error.into());
            }
            let TaskLease { queue, id, .. } = lease;
            warn!(%queue, task = %id, error = %Report::new(&error), "cannot record that a task is done; retrying");
            sleep(BACKOFF.wait_after(failed, 1.0)).await;
        }
    }

    async fn record_failure(&self, about: &About, error: &TaskError) -> Result<Outcome> {
        let lease = &about.lease;
        let share = self.store.inner.random();
        let retry_after = match error.is_permanent() {
            true => None,
            false => self.retry.wait_after(about.attempt, share),
        };
        say_it_has_failed(about, error, retry_after);
        let failed_attempt = FailedAttempt {
            lease: lease.clone(),
            failure: error.report().to_stored(),
            retry_after,
        };
        let tasks = self.store.inner.engine.tasks();
        let tasks = tasks.expect("BUG: a worker has checked that the engine has tasks");
        let began = tokio::time::Instant::now();
        let mut failed = 0;
        loop {
            let unrecorded = match tasks.fail(&failed_attempt).await {
                Ok(()) => return Ok(retry_after.map_or(Outcome::Dead, Outcome::Again)),
                Err(Error::TaskLeaseLost { .. }) => return Ok(lost(lease)),
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            failed += 1;
            let TaskLease { queue, id, .. } = lease;
            if began.elapsed() > self.lease {
                warn!(%queue, task = %id, error = %Report::new(&unrecorded), "the failure of a task cannot be recorded; it is given again after its lease");
                return Ok(Outcome::Lost);
            }
            warn!(%queue, task = %id, error = %Report::new(&unrecorded), "the failure of a task cannot be recorded; retrying");
            sleep(BACKOFF.wait_after(failed, 1.0)).await;
        }
    }
}

/// Returns whether a handler's commit was refused because the lease of its task was lost.
fn is_lost(error: &TaskError, lease: &TaskLease) -> bool {
    matches!(error.source().downcast_ref(), Some(Error::TaskLeaseLost { id, .. }) if *id == lease.id)
}

fn lost(lease: &TaskLease) -> Outcome {
    let TaskLease { queue, id, .. } = lease;
    info!(%queue, task = %id, "the outcome of a task was refused: its lease was lost, since it was cancelled, replaced or claimed by another worker");
    Outcome::Lost
}

/// Logs a failed attempt.
fn say_it_has_failed(about: &About, error: &TaskError, retry_after: Option<Duration>) {
    let About { lease: TaskLease { queue, id, .. }, task_type, attempt, .. } = about;
    match retry_after {
        Some(wait) => {
            warn!(%queue, task = %id, %task_type, attempt, ?wait, error = %error.report(), "a task has failed; it is given again after `wait`");
        }
        None => {
            warn!(%queue, task = %id, %task_type, attempt, error = %error.report(), "a task has failed for good; it is dead, and can be retried or discarded");
        }
    }
}
