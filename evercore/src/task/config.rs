//! Checks the settings of a worker.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::QueueName;
use super::attempt::Attempting;
use crate::engine::{ClaimRequest, TaskClaim, TaskStorage};
use crate::service::Lifecycle;
use crate::{Error, Result};

/// The shortest lease.
const MIN_LEASE: Duration = Duration::from_millis(50);

/// The most tasks that one worker does at the same time.
pub(crate) const MAX_CONCURRENCY: u32 = 10_000;

/// The most tasks whose handlers have returned and whose commits are under way, for each handler that may run. So the
/// commits of small tasks are stored together, as many as an engine stores at once.
const COMMITS_PER_HANDLER: usize = 7;

/// The most tasks whose commits are under way.
const MAX_COMMITS: usize = 256;

/// The longest name of a worker, in bytes of UTF-8.
const MAX_OWNER_BYTES: usize = 128;

/// The most tasks that one look claims.
pub(super) const MAX_CLAIM: u32 = 256;

/// The least time until the next look after one that has found nothing. A task that is due may be locked by another
/// worker.
pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// The settings of a worker, checked.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) attempting: Arc<Attempting>,
    pub(super) name: QueueName,
    pub(super) concurrency: usize,
    pub(super) poll_interval: Option<Duration>,
    pub(super) owner: String,
    pub(super) stop: CancellationToken,
    pub(super) lifecycle: Option<Lifecycle>,
}

impl Config {
    /// Checks the ranges of what was set.
    pub(super) fn check(&self, concurrency: u32) -> Result<()> {
        let lease = self.attempting.lease;
        let (what, value, problem) = if self.attempting.handlers.is_empty() {
            let problem = "there are none; add one with `Handlers::on`, `Handlers::work` or `Handlers::commands`, which adds the commands that are linked";
            ("handlers of a queue", self.name.to_string(), problem.to_owned())
        } else if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            let problem = format!("it is from 1 to {MAX_CONCURRENCY}");
            ("concurrency of a worker", concurrency.to_string(), problem)
        } else if lease < MIN_LEASE {
            ("lease of a worker", format!("{lease:?}"), format!("it is at least {MIN_LEASE:?}"))
        } else if !(1..=MAX_OWNER_BYTES).contains(&self.owner.len()) || self.owner.contains('\0') {
            let problem = format!("it has 1 to {MAX_OWNER_BYTES} bytes without a NUL");
            ("name of a worker", crate::key::shorten(&self.owner), problem)
        } else {
            return Ok(());
        };
        Err(Error::InvalidTask { what, value, problem })
    }

    /// Returns the most tasks that have begun and not ended: those whose handlers run, and those that are committed. One
    /// handler at a time means one task at a time, whose commit has landed before the next one begins.
    pub(super) fn most_begun(&self) -> usize {
        match self.concurrency {
            1 => 1,
            handlers => handlers + MAX_COMMITS.min(handlers.saturating_mul(COMMITS_PER_HANDLER)),
        }
    }

    /// Returns the time for which a task has kept others from a slot: while its handler ran, and its share of the commits
    /// that may be under way.
    pub(super) fn kept(&self, handled: Duration, took: Duration) -> Duration {
        let counts = [self.concurrency, self.most_begun()];
        let [handlers, begun] = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        handled.max(took.saturating_mul(handlers) / begun)
    }

    pub(super) async fn claim(&self, limit: u32) -> Result<TaskClaim> {
        let request = ClaimRequest {
            queue: self.name.clone(),
            owner: self.owner.clone(),
            lease: self.attempting.lease,
            limit,
        };
        self.tasks().claim(&request).await
    }

    pub(super) fn tasks(&self) -> &dyn TaskStorage {
        let tasks = self.attempting.store.inner.engine.tasks();
        tasks.expect("BUG: a worker has checked that the engine has tasks")
    }
}
